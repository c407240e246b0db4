import CTraceFS
import Glibc

/// The probe events of one recorder, from the kernel's types to dynamic events in tracefs.
///
/// They are in a system of their own, named after the recorder, so that two recorders do not clash; ``Leftovers`` removes them.
struct ProbeEvents {
    let system: String
    private(set) var names: [String] = []

    /// The system's name in the recording: a reader need not know which recorder it was.
    static let shownSystem = "lazytlb"

    /// What can be probed on the running kernel. Nothing is made yet.
    ///
    /// - Parameters:
    ///   - path: a file with BTF; nil for the running kernel's.
    ///   - cpus: by their highest number.
    /// - Throws: if a file that was named cannot be used, or the kernel has no probes, or no BTF.
    static func plan(_ tracefs: TraceFS, btf path: String?, cpus: Int, symbols: String = "/proc/kallsyms") throws(RecordingError) -> ProbePlan {
        guard tracefs.machine == "x86_64" else { throw RecordingError("probes are made for x86_64 kernels only, and this is \(tracefs.machine)") }
        guard exists(Leftovers.probeFile(tracefs.path)) else { throw RecordingError("the kernel has no probe events (CONFIG_KPROBE_EVENTS)") }
        let place = path ?? "/sys/kernel/btf/vmlinux"
        guard let bytes = SmallFile.bytes(place, limit: 256 << 20) else {
            let hint = path == nil ? "; without BTF (CONFIG_DEBUG_INFO_BTF) no field's place is known: --btf names a file with this kernel's" : ""
            throw RecordingError("cannot read \(place): \(String(cString: strerror(errno)))\(hint)")
        }
        return ProbePlan(try BTF(bytes, path: place), symbols: addresses(symbols), cpus: cpus)
    }

    /// Of the data that probes read.
    static func addresses(_ path: String) -> [String: UInt64] {
        let wanted = ["cpu_tlbstate", "cpu_tlbstate_shared", "__per_cpu_offset"].map { (name: $0, end: Array(" \($0)".utf8)) }
        var found: [String: UInt64] = [:]
        guard let content = SmallFile.bytes(path, limit: 256 << 20) else { return [:] }
        // ADDRESS TYPE NAME, and a module's name behind a tab: two hundred thousand lines, of which three are wanted.
        content.withUnsafeBytes { bytes in
            var start = 0
            while start < bytes.count {
                let line = UnsafeRawBufferPointer(rebasing: bytes[start...])
                let count = memchr(line.baseAddress!, 0x0a, line.count).map { $0 - UnsafeMutableRawPointer(mutating: line.baseAddress!) } ?? line.count
                for (name, end) in wanted where count > end.count && memcmp(line.baseAddress! + (count - end.count), end, end.count) == 0 {
                    let words = String(decoding: line[..<count], as: UTF8.self).split(separator: " ")
                    if words.count == 3, let address = UInt64(words[0], radix: 16) { found[name] = address }
                }
                start += count + 1
            }
        }
        return found
    }

    /// Makes the events. Those that the kernel refuses are told, and left out; nothing is left without the necessary ones.
    init(_ plan: ProbePlan, _ tracefs: TraceFS, _ recorder: RecorderID, say: (String) -> Void) throws(RecordingError) {
        system = recorder.probeSystem
        tracefs.path.withCString { _ = tracefs_set_tracing_dir(UnsafeMutablePointer(mutating: $0)) }
        for probe in plan.probes {
            let event = tracefs_kprobe_alloc(system, probe.name, probe.function, probe.fields)
            defer { tracefs_dynevent_free(event) }
            errno = 0
            if event != nil, tracefs_dynevent_create(event) == 0 {
                names.append(probe.name)
                continue
            }
            let reason = errno == 0 ? "refused" : String(cString: strerror(errno))
            if ProbePlan.necessary.contains(probe.name) {
                throw RecordingError("the kernel does not take a probe at \(probe.function)(): \(reason)")
            }
            say("no probe \(probe.name): the kernel does not take one at \(probe.function)(): \(reason)")
        }
    }
}

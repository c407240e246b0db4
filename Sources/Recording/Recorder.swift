import Dispatch
import Glibc
import TraceWriting

/// What to record, and how.
public struct RecordingOptions: Sendable {
    /// Where files without a name are made, with a slash at its end: beside the file to be.
    public var folder = "./"
    /// Runs while it is recorded; empty to record until the time is over or a signal comes.
    public var command: [String] = []
    public var seconds: Double?
    /// Of each CPU; nil for ``BufferSize/standard(cpus:memory:)``.
    public var bufferKiB: Int?
    public var clock: String?
    /// Add probe events that tell mms exactly, where the kernel can.
    public var usesProbes = false
    /// A file with the kernel's BTF; nil for the running kernel's own.
    public var btf: String?
    /// Write the tasks that exist at the start into the trace.
    public var takesTasks = true
    /// Run on each CPU once when the recording begins: see ``CPUVisit``.
    public var visitsCPUs = true
    /// Once a second, take also the sub-buffers that are being written: for who looks at the recording meanwhile.
    public var drainsEachSecond = false
    /// The program's own version.
    public var program = ""

    public init() {}
}

/// How far a recording has come.
public struct RecordingStatus: Sendable {
    public var seconds: Double
    /// Bytes moved out of the ring buffers.
    public var size: UInt64
    /// Events lost so far.
    public var lost: UInt64
}

/// One recording, from the choice of events to the end: ``init(_:_:)`` finds out whether it can be made, ``run(removeFiles:say:status:)`` makes it.
///
/// The instance is removed whatever happens: at the end of `run`, also when it throws; by a ``Guardian`` if the program is killed.
public final class Recorder {
    public let events: EventChoice
    public let clock: ClockChoice
    public let bufferKiB: Int
    /// The probe events that are to be made; nil without.
    public let probes: ProbePlan?
    /// Why there are none though they were asked for.
    public let probesRefused: String?
    private let tracefs: TraceFS
    private let options: RecordingOptions
    /// CPUs that the machine has or may get, by number.
    private let cpus: [Int]
    /// From the begin of a run to ``admitSignals()``.
    private var signals: BlockedSignals?

    /// CPUs whose buffers one thread drains.
    private static let cpusPerThread = 16

    public init(_ tracefs: TraceFS, _ options: RecordingOptions) throws(RecordingError) {
        self.tracefs = tracefs
        self.options = options
        events = try EventChoice(tracefs)
        let source = SmallFile.text("/sys/devices/system/clocksource/clocksource0/current_clocksource")
        guard let clocks = SmallFile.text(tracefs.path + "/trace_clock") else { throw RecordingError("cannot read \(tracefs.path)/trace_clock", code: errno) }
        clock = try ClockChoice(options.clock, known: clocks, source: source)
        cpus = Self.presentCPUs(tracefs)
        guard !cpus.isEmpty else { throw RecordingError("\(tracefs.path) has no buffers for any CPU") }
        bufferKiB = options.bufferKiB ?? BufferSize.standard(cpus: cpus.count)
        (probes, probesRefused) = try Self.planProbes(tracefs, options, cpus: cpus.last! + 1)
    }

    private static func planProbes(_ tracefs: TraceFS, _ options: RecordingOptions, cpus: Int) throws(RecordingError) -> (ProbePlan?, String?) {
        guard options.usesProbes else { return (nil, nil) }
        do throws(RecordingError) {
            let plan = try ProbeEvents.plan(tracefs, btf: options.btf, cpus: cpus)
            let lacking = plan.missing.filter { ProbePlan.necessary.contains($0.name) }
            return lacking.isEmpty ? (plan, nil) : (nil, lacking.map(\.description).joined(separator: "; "))
        } catch {
            // A file that was named is the user's mistake, what the kernel has not is nobody's.
            if options.btf != nil { throw error }
            return (nil, error.description)
        }
    }

    /// CPUs with a buffer, those left out that the machine does not have (a virtual one may have room for hundreds).
    private static func presentCPUs(_ tracefs: TraceFS) -> [Int] {
        let buffers = (SmallFile.names(tracefs.path + "/per_cpu") ?? []).compactMap { $0.hasPrefix("cpu") ? Int($0.dropFirst(3)) : nil }.sorted()
        guard let text = SmallFile.text("/sys/devices/system/cpu/present") else { return buffers }
        var present: Set<Int> = []
        for range in text.split(whereSeparator: { $0 == "," || $0 == "\n" }) {
            let ends = range.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, first >= 0, last < 1 << 16, first <= last else { continue }
            present.formUnion(first...last)
        }
        return buffers.filter(present.contains)
    }

    // MARK: the run

    /// Records. The program must have no second thread yet, and handle no signals of its own meanwhile: SIGINT, SIGQUIT, SIGTERM and SIGHUP end the recording.
    ///
    /// They stay blocked when it is over, until ``admitSignals()``: a second Ctrl-C, or the second SIGHUP of a terminal that goes away, must not destroy what is recorded.
    ///
    /// - Parameters:
    ///   - removeFiles: removes files of the program that have a name and are not finished, if it is killed.
    ///   - say: is told, one sentence each, what the user should know at once.
    ///   - status: is called once a second, with what there is to read by then. False ends the recording as a signal does.
    public func run(
        removeFiles: () -> Void, say: (String) -> Void, status: (RecordingStatus, RecordedSoFar) -> Bool
    ) throws(RecordingError) -> Recorded {
        let signals = BlockedSignals()
        self.signals = signals
        do throws(RecordingError) { return try record(signals, removeFiles, say, status) } catch {
            admitSignals()
            throw error
        }
    }

    /// What was recorded is safe: from here on signals end the program. Those that came since the recording's end have nothing left to end.
    public func admitSignals() {
        signals?.restore()
        signals = nil
    }

    private func record(
        _ signals: BlockedSignals, _ removeFiles: () -> Void, _ say: (String) -> Void, _ status: (RecordingStatus, RecordedSoFar) -> Bool
    ) throws(RecordingError) -> Recorded {
        Leftovers.removeStale(tracefs.path)
        let leftovers = Leftovers(tracefs: tracefs.path, recorder: .own())
        let guardian = try Guardian(leftovers, removeFiles: removeFiles)
        defer {
            // The readers have closed their files, here or on the way out.
            let code = leftovers.remove(attempts: 20)
            if code != 0 { say("cannot remove \(tracefs.path)/instances/\(leftovers.recorder.instance): \(String(cString: strerror(code)))") }
            guardian.dismiss()
        }
        var events: ProbeEvents?
        if let probes {
            do throws(RecordingError) { events = try ProbeEvents(probes, tracefs, leftovers.recorder, say: say) } catch {
                say("recording without probes: \(error.description)")
            }
        }
        let instance = try Instance(tracefs, name: leftovers.recorder.instance)
        return try record(instance, events, signals, say, status)
    }

    private func record(
        _ instance: Instance, _ probes: ProbeEvents?, _ signals: BlockedSignals, _ say: (String) -> Void,
        _ status: (RecordingStatus, RecordedSoFar) -> Bool
    ) throws(RecordingError) -> Recorded {
        try instance.configure(clock: clock.name, bufferKiB: bufferKiB)
        var recorded = try enableEvents(instance, say).map { ($0.system, $0.name, $0.system) }
        if let probes { recorded += try enable(probes, instance) }
        guard let size = instance.text("events/header_page").flatMap(subbufferSize), Spool.block % size == 0 else {
            throw RecordingError("\(instance.path)/events/header_page does not tell the size of a sub-buffer")
        }
        let readers = try openReaders(instance, subbuffer: size)
        defer { for reader in readers { reader.closeSource() } }
        let drain = try Drain(readers, groupSize: Self.cpusPerThread, bufferSize: bufferKiB * 1024)
        var container = try TraceContainer(tracefs, instance: instance, events: recorded, program: options.program)
        let workload = options.command.isEmpty ? nil : try Workload(options.command, marker: "\(instance.path)/trace_marker", signals: signals.forCommand)
        try instance.start()
        let start = monotonicSeconds()
        if options.visitsCPUs { CPUVisit.make() }
        var remarks: [String] = []
        let snapshot = options.takesTasks ? takeSnapshot(instance, &remarks) : nil
        try workload?.start()
        let base = container
        do throws(RecordingError) {
            try watch(workload, drain, instance, signals, from: start, say) {
                status($0, RecordedSoFar(readers, container: base, cpus: cpus.last! + 1))
            }
        } catch {
            // A command that went on behind the shell's next prompt would surprise.
            workload?.terminate()
            if let remark = workload?.remark { say(remark) }
            throw error
        }
        instance.stop()
        let end = monotonicSeconds()
        workload?.terminate()
        try drain.run(all: true)
        let counts = cpus.compactMap { BufferCount(instance.path, cpu: $0) }
        container.setNames(tracefs, snapshot)
        container.statistics = counts.map { "CPU: \($0.cpu)\n\($0.text)" }
        if let remark = workload?.remark { remarks.append(remark) }
        return Recorded(seconds: end - start, counts: counts, remarks: remarks, container: container, readers: readers, cpus: cpus.last! + 1)
    }

    private func enableEvents(_ instance: Instance, _ say: (String) -> Void) throws(RecordingError) -> [WantedEvent] {
        var recorded: [WantedEvent] = []
        for event in events.present {
            let code = instance.enable(event.system, event.name)
            if code == 0 {
                recorded.append(event)
            } else if event.isNecessary {
                throw RecordingError("cannot enable \(event.description), without which \(event.cost)", code: code)
            } else {
                say("\(event.description) cannot be enabled (\(String(cString: strerror(code)))): \(event.cost)")
            }
        }
        return recorded
    }

    private func enable(_ probes: ProbeEvents, _ instance: Instance) throws(RecordingError) -> [(system: String, name: String, shown: String)] {
        for name in probes.names {
            let code = instance.enable(probes.system, name)
            guard code == 0 else { throw RecordingError("cannot enable the probe event \(name); without --probes it can be recorded", code: code) }
        }
        return probes.names.map { (probes.system, $0, ProbeEvents.shownSystem) }
    }

    private func openReaders(_ instance: Instance, subbuffer: Int) throws(RecordingError) -> [PerCPUReader] {
        raiseFileLimit(by: 2 * cpus.count + 64)
        var readers: [PerCPUReader] = []
        for cpu in cpus { readers.append(try PerCPUReader(cpu: cpu, instance: instance.path, folder: options.folder, subbuffer: subbuffer)) }
        return readers
    }

    /// Writes the tasks into the trace. What goes wrong costs the snapshot, not the recording.
    private func takeSnapshot(_ instance: Instance, _ remarks: inout [String]) -> TaskSnapshot? {
        if let hindrance = TaskSnapshot.hindrance() {
            remarks.append("the tasks of the start are not in the trace: \(hindrance)")
            return nil
        }
        let path = instance.path + "/trace_marker"
        var code: Int32 = 0
        let snapshot = TaskSnapshot.write { line in if code == 0 { code = SmallFile.write(path, line + "\n") } }
        if code != 0 { remarks.append("the tasks of the start could not be written into the trace: \(String(cString: strerror(code)))") }
        return snapshot
    }

    /// Until the command ends, the time is over, a signal comes, or `status` has enough.
    private func watch(
        _ workload: Workload?, _ drain: Drain, _ instance: Instance, _ signals: BlockedSignals, from start: Double,
        _ say: (String) -> Void, _ status: (RecordingStatus) -> Bool
    ) throws(RecordingError) {
        var next = start + 1
        var lost: UInt64 = 0
        while true {
            let now = monotonicSeconds()
            let end = options.seconds.map { start + $0 } ?? .infinity
            if now >= end { return }
            switch signals.wait(seconds: min(drain.period, end - now, max(0.001, next - now))) {
            case SIGINT, SIGQUIT, SIGTERM, SIGHUP: return
            case SIGCHLD: if workload?.reap() ?? false { return }
            default: break
            }
            let isSecond = monotonicSeconds() >= next
            try drain.run(all: isSecond && options.drainsEachSecond)
            guard isSecond else { continue }
            next += 1
            let before = lost
            lost = cpus.reduce(0) { $0 + (BufferCount(instance.path, cpu: $1)?.lost ?? 0) }
            // Once, and again whenever it has doubled.
            if lost > before, before == 0 || lost.leadingZeroBitCount < before.leadingZeroBitCount {
                say("\(lost) events lost so far: larger buffers may help (--buffer-size, now \(bufferKiB) KiB for each CPU)")
            }
            guard status(RecordingStatus(seconds: monotonicSeconds() - start, size: drain.size, lost: lost)) else { return }
        }
    }
}

/// Empties the buffers of all CPUs from time to time: often enough that none fills up, seldom enough to disturb little.
final class Drain {
    /// Seconds until the next time.
    private(set) var period = 0.02
    private let groups: [(readers: [PerCPUReader], pipe: Pipe)]
    private let bufferSize: Int

    private static let shortest = 0.005
    private static let longest = 0.25

    init(_ readers: [PerCPUReader], groupSize: Int, bufferSize: Int) throws(RecordingError) {
        var groups: [(readers: [PerCPUReader], pipe: Pipe)] = []
        for start in stride(from: 0, to: readers.count, by: groupSize) {
            groups.append((Array(readers[start..<min(start + groupSize, readers.count)]), try Pipe()))
        }
        self.groups = groups
        self.bufferSize = bufferSize
    }

    /// Bytes so far.
    var size: UInt64 { groups.reduce(0) { $0 + $1.readers.reduce(0) { $0 + $1.size } } }

    /// - Parameter all: sub-buffers that are not full, too.
    func run(all: Bool) throws(RecordingError) {
        nonisolated(unsafe) var results = [Result<UInt64, RecordingError>](repeating: .success(0), count: groups.count)
        if groups.count == 1 {
            results[0] = Self.drain(groups[0], all)
        } else {
            // Each group is one thread's at a time.
            nonisolated(unsafe) let groups = groups
            results.withUnsafeMutableBufferPointer { buffer in
                nonisolated(unsafe) let buffer = buffer
                DispatchQueue.concurrentPerform(iterations: groups.count) { buffer[$0] = Self.drain(groups[$0], all) }
            }
        }
        var most: UInt64 = 0
        for result in results { most = max(most, try result.get()) }
        // The fullest buffer decides: a quarter is much, an eighth is fine.
        if most > UInt64(bufferSize / 4) {
            period = max(Self.shortest, period / 2)
        } else if most < UInt64(bufferSize / 8) {
            period = min(Self.longest, period * 1.5)
        }
    }

    /// Returns the most bytes that one CPU had.
    private static func drain(_ group: (readers: [PerCPUReader], pipe: Pipe), _ all: Bool) -> Result<UInt64, RecordingError> {
        var most: UInt64 = 0
        do throws(RecordingError) {
            for reader in group.readers { most = max(most, try reader.drain(group.pipe, all: all)) }
            return .success(most)
        } catch { return .failure(error) }
    }
}

private func raiseFileLimit(by count: Int) {
    var limit = rlimit()
    let files = __rlimit_resource_t(7)
    getrlimit(files, &limit)
    limit.rlim_cur = min(limit.rlim_max, max(limit.rlim_cur, rlim_t(count)))
    setrlimit(files, &limit)
}

/// Seconds since some moment in the past.
func monotonicSeconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
}

import TraceData
import TraceWriting

/// What the heads of a text's lines have, and what they lack.
struct TextFacts {
    private(set) var records = 0
    private(set) var withoutFlags = 0
    private(set) var latency = 0
    /// The CPU of all lines, of any event; -1 if there are none, beyond all CPUs if there are several.
    private var cpu = -1
    /// The only CPU that has lines.
    var onlyCPU: Int? { 0..<TextConversion.cpuLimit ~= cpu ? cpu : nil }
    /// Records whose times have so many digits behind the point.
    private var byDecimals = [Int](repeating: 0, count: 10)

    @inline(__always)
    mutating func see(_ head: LineHead) {
        records += 1
        if !head.hasFlags { withoutFlags += 1 }
        if head.isLatency { latency += 1 }
        byDecimals[head.decimals] += 1
    }

    /// Takes note of a line of any event.
    @inline(__always)
    mutating func see(cpu: Int) { if cpu != self.cpu { self.cpu = self.cpu < 0 ? cpu : .max } }

    /// What the last of so many digits behind the point stands for, ns; 1 where there is no point.
    @inline(__always)
    static func resolution(_ decimals: Int) -> UInt64 {
        switch decimals {
        case 6: return 1000
        case 9, 0: return 1
        default:
            var step: UInt64 = 1
            for _ in decimals..<9 { step *= 10 }
            return step
        }
    }

    /// The coarsest times, ns.
    var resolution: UInt64 { byDecimals.indices.dropFirst().first { byDecimals[$0] > 0 }.map { Self.resolution($0) } ?? 1 }
    /// Times are numbers without a point.
    var hasNoUnit: Bool { byDecimals[0] > 0 }

    func detail(_ header: TextHeader) -> String {
        let writer = header.isTraceCmds ? "of trace-cmd report" : header.isKernels ? "of the kernel" : "of ftrace"
        let times = hasNoUnit ? "times without a unit" : resolution == 1000 ? "times in µs" : resolution == 1 ? "times in ns" : "times in units of \(resolution) ns"
        return "\(writer), \(times)"
    }
}

extension TextConversion {
    /// What the file holds beside the records.
    var container: TraceContainer {
        let probes = probes.compactMap { $0?.format }
        var container = TraceContainer(
            uname: nil, clock: "[\((facts.hasNoUnit ? Clock.withoutUnit : Clock.unknown).name)]",
            headerPage: TextFormat.headerPage(longSize: longSize, size: Self.pageSize), headerEvent: TextFormat.headerEvent,
            formats: (formats.all + probes).map { ($0.system, $0.text) }, pageSize: UInt32(Self.pageSize))
        container.longSize = UInt8(longSize)
        container.commandLines = tasks.lines
        return container
    }

    /// What the text itself says that it lacks; nil if nothing.
    ///
    /// - Parameter unread: lines that could not be read, and are told of by themselves.
    func shortage(unread: Int) -> TraceProblem? {
        let found = UInt64(facts.records + names.skipped.lines + unread)
        guard header.left > found else { return nil }
        let cause =
            if let cpu = facts.onlyCPU, header.cpus != 1 {
                "the header counts \(header.left) events of all CPUs in the buffer, and the text has \(found), all of CPU \(cpu): it is that CPU's alone (per_cpu/cpu\(cpu)/trace), or lines are missing"
            } else if header.isRepeated {
                "the header counts \(header.left) events of all CPUs in the buffer, and the text has \(found): the file of a CPU (per_cpu/cpuN/trace) is missing, or lines are"
            } else {
                "the header counts \(header.left) events in the buffer, and the text has \(found): it is cut off, or lines were taken out"
            }
        return TraceProblem(TraceError(path: input.path, cause: cause))
    }

    /// What a trace.dat file of the same recording would have told.
    var leftOut: [String] {
        var list: [String] = []
        if kernel == nil { list.append("The text does not name the recorded kernel and machine: --kernel names the kernel.") }
        list.append(
            facts.hasNoUnit
                ? "The text names neither the trace's clock nor its unit: times are numbers."
                : "The text does not name the trace's clock, and so not whether the CPUs' clocks agree.")
        if facts.resolution > 1 {
            let unit = facts.resolution == 1000 ? "whole microseconds" : "units of \(facts.resolution) ns"
            list.append("Times are in \(unit): latencies are no finer, and events of the same time are taken in the order of the lines. (trace-cmd report -t has ns.)")
        }
        if facts.withoutFlags > 0 {
            list.append(
                "\(facts.withoutFlags == facts.records ? "The" : "\(facts.withoutFlags)") lines do not tell which events are an interrupt handler's: that is inferred. (The kernel's option irq-info and trace-cmd report -l tell it.)")
        }
        if facts.latency > 0 { list.append("Names at the beginning of lines are cut to 8 bytes; they count only for tasks that no event names.") }
        if header.cpus == nil { list.append("The text does not tell how many CPUs the machine has: those up to the highest number are taken.") }
        if fields != nil { list.append("The kernel's option fields prints no lines of trace_marker.") }
        if header.overwritten > 0 {
            list.append("\(header.overwritten) events were overwritten before the text was made; on which CPUs it does not tell, so a gap is taken to begin each.")
        }
        let (lines, events) = names.skipped
        if lines > 0 {
            let shown = events.prefix(5).map { "\($0.name) (\($0.lines))" }.joined(separator: ", ")
            list.append("\(lines) lines are of events that the replay does not use: \(shown)\(events.count > 5 ? ", …" : "").")
        }
        return list
    }
}

import LazyTLB
import Reconstruction
import Replay
import TraceData

/// The timeline as tracks of slices, in the JSON trace event format, which ui.perfetto.dev and chrome://tracing open.
///
/// Each CPU is a process there, and has a track of the tasks (none for the idle task), one of the mm that is loaded, one of the state, and one of the mm that a stale
/// bookkeeping names, if any does. What stays from one interval to the next is one slice. Divergences are moments on a track of their own, and so are the recorded
/// kernel's tlb_flush records.
///
/// A slice is two events, its begin and its end. One with a duration would be shorter, but viewers count µs in floating point: the sum of two such numbers need not be the number at which the
/// next slice begins, and where slices overlap one is dropped. Here it is the same number. Names come last in an event: some versions of a viewer look for the other members without knowing all escapes of JSON.
public final class TimelineTracks: TimelineOutput {
    private let writer: ByteWriter
    private let subject: TimelineSubject
    private let labels = Labels()
    private var mms: MMLabels
    private var isFirst = true
    /// By CPU.
    private var cpus: [CPU] = []

    private struct CPU {
        /// The latest interval.
        var latest: Interval?
        /// The bookkeeping named another mm than the loaded one before, so that the track is there.
        var hasActive = false
        /// The same of flushes.
        var hasFlushes = false
    }

    private enum Track: Int, CaseIterable {
        case task, loaded, state, active, divergences, flushes

        var name: StaticString {
            switch self {
            case .task: "task"
            case .loaded: "loaded mm"
            case .state: "state"
            case .active: "active_mm"
            case .divergences: "divergences"
            case .flushes: "tlb_flush"
            }
        }

        /// Those that are only there where there is something to show.
        var isExtra: Bool { rawValue >= Self.active.rawValue }
    }

    private enum Slice: Equatable {
        case task(pid: Int32, Comm, MM, Basis)
        case mm(MM)
        case state(Interval.State)
    }

    public init(to writer: ByteWriter, _ subject: TimelineSubject) {
        (self.writer, self.subject) = (writer, subject)
        mms = MMLabels(labels) { name in ByteWriter.string { $0.json(name) } }
    }

    public func begin() { writer.text("{\"traceEvents\":[") }

    public func add(_ interval: Interval, _ mms: MMTable) {
        while cpus.count <= interval.cpu { cpus.append(CPU()) }
        let latest = cpus[interval.cpu].latest
        if latest == nil { announce(interval.cpu) }
        for track in Track.allCases {
            let (old, new) = (latest.flatMap { slice(track, $0) }, slice(track, interval))
            if old == new { continue }
            if old != nil { end(track, interval.cpu, at: interval.start) }
            if let new { begin(new, track, interval.cpu, at: interval.start, mms) }
        }
        cpus[interval.cpu].latest = interval
    }

    public func end() {
        let divergences = Dictionary(grouping: subject.divergences, by: \.cpu)
        for cpu in cpus.indices {
            guard let latest = cpus[cpu].latest else { continue }
            for track in Track.allCases where slice(track, latest) != nil { end(track, cpu, at: latest.end) }
            guard let divergences = divergences[cpu] else { continue }
            announce(.divergences, cpu)
            for divergence in divergences { moment(divergence) }
        }
        writer.text("\n],\n\"otherData\":")
        var other = JSONObject(writer)
        other.string("trace", subject.trace)
        other.string("kernel", subject.kernel)
        other.string("scheme", subject.scheme)
        other.string("evidence", subject.evidence)
        other.string("clock", subject.clock)
        other.end()
        writer.text("}\n")
    }

    private func slice(_ track: Track, _ interval: Interval) -> Slice? {
        switch track {
        case .task: interval.pid == 0 ? nil : Slice.task(pid: interval.pid, interval.comm, interval.mm, interval.basis)
        case .loaded: Slice.mm(interval.loaded)
        case .state: Slice.state(interval.state)
        case .active: interval.active == interval.loaded ? nil : Slice.mm(interval.active)
        case .divergences, .flushes: nil
        }
    }

    // MARK: events

    /// So that no two processes or threads have the same number, and none has 0, which is the idle task's in viewers.
    private static func process(_ cpu: Int) -> Int { (cpu + 1) * 10 }
    private static func thread(_ track: Track, _ cpu: Int) -> Int { process(cpu) + 1 + track.rawValue }

    private func event(_ phase: StaticString, _ cpu: Int, _ track: Track?, _ body: (inout JSONObject) -> Void) {
        writer.text(isFirst ? "\n" : ",\n")
        isFirst = false
        var object = JSONObject(writer)
        object.raw("ph") {
            writer.text("\"")
            writer.text(phase)
            writer.text("\"")
        }
        object.number("pid", Self.process(cpu))
        if let track { object.number("tid", Self.thread(track, cpu)) }
        body(&object)
        object.end()
    }

    /// µs, with the nanoseconds as decimals.
    private func time(_ time: UInt64, _ object: inout JSONObject) {
        object.raw("ts") {
            writer.decimal(time / 1000)
            writer.byte(UInt8(ascii: "."))
            writer.decimal(time % 1000, width: 3)
        }
    }

    private func begin(_ slice: Slice, _ track: Track, _ cpu: Int, at start: UInt64, _ table: MMTable) {
        if track == .active, !cpus[cpu].hasActive {
            cpus[cpu].hasActive = true
            announce(track, cpu)
        }
        event("B", cpu, track) { object in
            time(start, &object)
            switch slice {
            case .mm(let mm): object.raw("name") { labels.write(mms[mm, table], to: writer) }
            case .state(let state): object.string("name", state.rawValue)
            case .task(let pid, let comm, let mm, let basis):
                object.raw("name") { task(pid, comm) }
                object.object("args") { arguments in
                    arguments.raw("mm") { labels.write(mms[mm, table], to: writer) }
                    arguments.string("evidence", basis.name)
                }
            }
        }
    }

    private func end(_ track: Track, _ cpu: Int, at end: UInt64) { event("E", cpu, track) { time(end, &$0) } }

    public var flushes: ((RecordedFlush) -> Void)? { { [unowned self] flush in moment(flush) } }

    private func moment(_ flush: RecordedFlush) {
        while cpus.count <= flush.cpu { cpus.append(CPU()) }
        if !cpus[flush.cpu].hasFlushes {
            cpus[flush.cpu].hasFlushes = true
            announce(.flushes, flush.cpu)
        }
        event("i", flush.cpu, .flushes) { object in
            time(flush.time, &object)
            object.string("s", "t")
            object.string("name", FlushReason(rawValue: UInt8(clamping: flush.reason))?.kernelName ?? "reason \(flush.reason)")
            object.object("args") { $0.number("pages", flush.pages) }
        }
    }

    private func moment(_ divergence: ReportDocument.Divergence) {
        event("i", divergence.cpu, .divergences) { object in
            time(divergence.timeNS, &object)
            object.string("s", "t")
            object.string("name", divergence.kind)
            object.object("args") { arguments in
                arguments.string("mm", divergence.mm)
                if let targets = divergence.targets { arguments.string("targets", ranges(targets)) }
                if let sender = divergence.sender { arguments.number("sender", sender) }
                if let detail = divergence.detail { arguments.string("detail", detail) }
                if let end = divergence.endNS { arguments.number("for_ns", end - min(end, divergence.timeNS)) }
            }
        }
    }

    private func task(_ pid: Int32, _ comm: Comm) {
        if pid < 0 { return writer.text("\"?\"") }
        writer.text("\"")
        if comm == .empty { writer.text("<...>") } else { comm.withBytes { writer.jsonContent($0) } }
        writer.text("-")
        writer.decimal(UInt64(pid))
        writer.text("\"")
    }

    /// The names of a CPU and of its tracks, and their order.
    private func announce(_ cpu: Int) {
        name("process", "CPU \(cpu)", place: cpu, cpu, nil)
        for track in Track.allCases where !track.isExtra { announce(track, cpu) }
    }

    private func announce(_ track: Track, _ cpu: Int) { name("thread", "\(track.name)", place: track.rawValue, cpu, track) }

    private func name(_ kind: String, _ name: String, place: Int, _ cpu: Int, _ track: Track?) {
        event("M", cpu, track) { object in
            object.string("name", kind + "_name")
            object.object("args") { $0.string("name", name) }
        }
        event("M", cpu, track) { object in
            object.string("name", kind + "_sort_index")
            object.object("args") { $0.number("sort_index", place) }
        }
    }
}

import TraceData

/// A part of a trace that is counted by itself. What comes before it is replayed as well, so that all is known by then that the trace tells; what comes behind it is read, and no more.
public struct Window: Sendable, Equatable {
    public enum Edge: Sendable, Equatable {
        /// In units of the trace's clock: the first record that is not before it.
        case time(UInt64)
        /// A line of trace_marker that has this text in it: for an end the first one behind the beginning.
        case marker(String)
    }

    /// The record there is the first in the window.
    public var from: Edge
    /// The record there is the first behind it.
    public var to: Edge

    public init(from: Edge = .time(0), to: Edge = .time(.max)) { (self.from, self.to) = (from, to) }
}

/// What is known of all of a trace of which a window was counted.
public struct WholeTrace: Sendable {
    /// Times of the first record and the last.
    public internal(set) var start: UInt64 = 0
    public internal(set) var end: UInt64 = 0
    /// Records of sched_switch, of tlb_flush, and those of the latter that tell of a CR3 load.
    public internal(set) var switches = 0
    public internal(set) var flushes = 0
    public internal(set) var loads = 0
    /// ``EvidenceSummary/silentChanges``, up to the window's end.
    public internal(set) var silentChanges = 0
    /// The trace has a record from which on the window is, and one behind it.
    public internal(set) var hasBeginning = false
    public internal(set) var hasEnd = false
}

/// A pass whose counts can begin anew while it goes on.
protocol WindowedPass {
    mutating func consume(_ source: Lookahead)
    /// Forgets what it and its sink have counted so far, and nothing else.
    mutating func beginWindow(at time: UInt64)
    /// ``EvidenceSummary/silentChanges`` since the trace began.
    var silentChangesSoFar: Int { get }
}

extension ProbeReconstruction: WindowedPass {
    /// Probes tell of each CR3 load.
    var silentChangesSoFar: Int { 0 }
}

extension InferredReconstruction: WindowedPass {
    var silentChangesSoFar: Int { silentChanges }
}

/// A reading of which a window is counted, record by record in the order of time.
struct WindowReading {
    private let window: Window
    private(set) var whole = WholeTrace()
    /// Records in the window that a replay may use, and those of sched_switch.
    private(set) var records = 0
    private(set) var switches = 0
    /// When it begins, and ends.
    private(set) var start: UInt64 = 0
    private(set) var end: UInt64 = 0

    /// - Parameter start: the time of the trace's first record.
    init(_ window: Window, start: UInt64) {
        self.window = window
        whole.start = start
    }

    /// Takes the record at the head of `source`.
    mutating func take<Pass: WindowedPass>(_ source: Lookahead, _ pass: inout Pass) {
        let record = source.head
        note(record)
        // Once it is over it does not begin again: in a damaged trace times may run backwards.
        if !whole.hasEnd {
            if !whole.hasBeginning {
                if let time = reached(window.from, source) { begin(at: max(time, whole.start), &pass) }
                // A line that ends it is another one than that which begins it.
                if case .time = window.to { endIfReached(source) }
            } else {
                endIfReached(source)
            }
        }
        guard !whole.hasEnd else { return }
        if whole.hasBeginning, record.kind != .lost {
            records += 1
            if record.kind == .schedSwitch { switches += 1 }
        }
        pass.consume(source)
    }

    private mutating func begin<Pass: WindowedPass>(at time: UInt64, _ pass: inout Pass) {
        (start, whole.hasBeginning) = (time, true)
        pass.beginWindow(at: time)
    }

    private mutating func endIfReached(_ source: Lookahead) {
        if let time = reached(window.to, source) { (end, whole.hasEnd) = (time, true) }
    }

    /// The time of an edge, if the head of `source` lies behind it.
    private func reached(_ edge: Window.Edge, _ source: Lookahead) -> UInt64? {
        switch edge {
        case .time(let time): source.head.time >= time ? time : nil
        case .marker(let text): source.head.kind == .marker && source.headDetails.text.contains(text) ? source.head.time : nil
        }
    }

    private mutating func note(_ record: Held) {
        switch record.kind {
        case .schedSwitch: whole.switches += 1
        case .tlbFlush:
            whole.flushes += 1
            if record.reason == TLBReason.onTaskSwitch { whole.loads += 1 }
        default: break
        }
    }

    /// The trace ends. The window lies within it then, and is empty if it did not begin.
    mutating func finish<Pass: WindowedPass>(_ pass: inout Pass, at last: UInt64) {
        whole.end = last
        whole.silentChanges = pass.silentChangesSoFar
        if !whole.hasBeginning {
            pass.beginWindow(at: last)
            start = last
        }
        end = max(start, whole.hasEnd ? end : last)
    }
}

/// What was counted of the records, and from when to when.
struct Counted {
    var records: Int
    var switches: Int
    var start: UInt64
    var end: UInt64
    var whole: WholeTrace?

    /// All of them.
    init(_ ahead: Lookaheads) {
        self.init(
            records: ahead.all.reduce(0) { $0 + $1.records }, switches: ahead.all.reduce(0) { $0 + $1.switches }, start: ahead.firstTime, end: ahead.lastTime, whole: nil)
    }

    /// A part, if there is one.
    init<Pass: WindowedPass>(_ ahead: Lookaheads, _ part: inout WindowReading?, _ pass: inout Pass) {
        self.init(ahead)
        part?.finish(&pass, at: ahead.lastTime)
        if let part { self.init(records: part.records, switches: part.switches, start: part.start, end: part.end, whole: part.whole) }
    }

    init(records: Int, switches: Int, start: UInt64, end: UInt64, whole: WholeTrace?) {
        (self.records, self.switches) = (records, switches)
        (self.start, self.end, self.whole) = (start, end, whole)
    }
}

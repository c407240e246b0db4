import TraceData

/// A record that waits for its turn, without the bytes that it was read from.
public struct Held: Sendable {
    public var time: UInt64 = 0
    /// As in ``Record/word0`` and ``Record/word1``.
    public var word0: UInt64 = 0
    public var word1: UInt64 = 0
    public var cpu: Int32 = 0
    public var pid: Int32 = 0
    public var kind = Record.Kind.other
    public var flags: UInt8 = 0

    @inlinable public var inHardIRQ: Bool { flags & 0x08 != 0 }
    @inlinable public var prevPID: Int32 { Int32(truncatingIfNeeded: word0) }
    @inlinable public var nextPID: Int32 { Int32(truncatingIfNeeded: word0 >> 32) }
    @inlinable public var reason: Int32 { Int32(truncatingIfNeeded: word0) }
    @inlinable public var pages: Int64 { Int64(bitPattern: word1) }
}

/// What the less frequent records carry beside ``Held``, decoded while their bytes were at hand.
public struct Details {
    public var probe = ProbeFields()
    /// The task that the record speaks of, and a second one (parent of a fork, old_pid of an exec).
    public var pid: Int32 = 0
    public var otherPID: Int32 = 0
    public var cloneFlags: UInt64 = 0
    public var comm = Comm.empty
    public var text = ""
}

extension Record.Kind {
    var isProbe: Bool { rawValue >= Record.Kind.ctxsw.rawValue }
}

/// The records of one CPU in order, with a view of those that come next on that CPU.
///
/// What a record means often shows only in the ones behind it (whether a switch loaded CR3, whether a flush sent IPIs). Those are
/// records of the same CPU, so a window of a few records suffices, and CPUs need not wait for each other.
public final class Lookahead: TimedSource {
    /// How far ahead one can see.
    public static let depth = 64

    /// nil if the records were given.
    private let stream: CPUStream?
    private let formats: EventFormats?
    private var given: ArraySlice<(held: Held, details: Details)> = []
    private var ring: [Held]
    private var details: [Details]
    private var start = 0
    private var count = 0
    private var ended = false
    private var started = false
    private var record = Record.none
    /// Records read so far, of all kinds; gaps do not count.
    public private(set) var records = 0
    /// sched_switch records read so far.
    public private(set) var switches = 0
    public private(set) var firstTime: UInt64?
    public private(set) var lastTime: UInt64 = 0
    /// All ones of the recorded kernel's long: a flush of everything.
    private let everything: UInt64
    private let wantsProbes: Bool

    /// - Parameters:
    ///   - longSize: bytes of the recorded kernel's long.
    ///   - probes: hold probe events too.
    public init(_ stream: CPUStream, formats: EventFormats, longSize: Int, probes: Bool = true) {
        self.stream = stream
        self.formats = formats
        wantsProbes = probes
        everything = longSize == 4 ? 0xffff_ffff : UInt64.max
        ring = [Held](repeating: Held(), count: Lookahead.depth)
        details = [Details](repeating: Details(), count: Lookahead.depth)
    }

    /// The records of a CPU written down instead of read: what tests feed the passes with.
    init(_ records: [(held: Held, details: Details)]) {
        stream = nil
        formats = nil
        wantsProbes = false
        everything = UInt64.max
        given = records[...]
        ring = [Held](repeating: Held(), count: Lookahead.depth)
        details = [Details](repeating: Details(), count: Lookahead.depth)
    }

    public var headTime: UInt64 { ring[start].time }
    public var head: Held { ring[start] }
    public var headDetails: Details { details[start] }

    /// The record `distance` places behind the head, nil at the end of the CPU's records or beyond ``depth``.
    public func peek(_ distance: Int) -> Held? {
        distance < count ? ring[(start + distance) % Lookahead.depth] : nil
    }

    public func peekDetails(_ distance: Int) -> Details { details[(start + distance) % Lookahead.depth] }

    public func advance() throws(TraceError) -> Bool {
        if started {
            start = (start + 1) % Lookahead.depth
            count -= 1
        }
        started = true
        try fill()
        return count > 0
    }

    private func fill() throws(TraceError) {
        guard let stream, let formats else { return fillFromGiven() }
        while count < Lookahead.depth, !ended {
            guard try stream.next(&record) else {
                ended = true
                return
            }
            if firstTime == nil { firstTime = record.time }
            lastTime = record.time
            if record.kind != .lost { records += 1 }
            if record.kind == .schedSwitch { switches += 1 }
            if record.kind == .other || !wantsProbes && record.kind.isProbe { continue }
            hold(formats)
        }
    }

    private func fillFromGiven() {
        while count < Lookahead.depth, let next = given.popFirst() {
            if firstTime == nil { firstTime = next.held.time }
            lastTime = next.held.time
            if next.held.kind != .lost { records += 1 }
            if next.held.kind == .schedSwitch { switches += 1 }
            let slot = (start + count) % Lookahead.depth
            ring[slot] = next.held
            details[slot] = next.details
            count += 1
        }
    }

    private func hold(_ formats: EventFormats) {
        let slot = (start + count) % Lookahead.depth
        // What happened in a gap is not known from the last record before it on, nor is when in it.
        let time = record.kind == .lost && record.word1 > 0 ? record.word1 : record.time
        ring[slot] = Held(
            time: time, word0: record.word0, word1: record.word1, cpu: record.cpu, pid: record.pid, kind: record.kind,
            flags: record.flags)
        count += 1
        switch record.kind {
        case .other, .lost: break
        case .tlbFlush: if record.word1 == everything { ring[slot].word1 = UInt64.max }
        case .schedSwitch: details[slot].comm = formats.schedSwitchComms(record).next
        case .newTask:
            let task = formats.newTask(record)
            details[slot].pid = task.pid
            details[slot].otherPID = record.pid
            details[slot].cloneFlags = task.cloneFlags
            details[slot].comm = task.comm
        case .fork:
            let fork = formats.fork(record)
            details[slot].pid = fork.childPID
            details[slot].otherPID = fork.parentPID
        case .exec:
            let exec = formats.exec(record)
            details[slot].pid = exec.pid
            details[slot].otherPID = exec.oldPID
        case .exit: details[slot].pid = formats.exit(record).pid
        case .rename:
            let rename = formats.rename(record)
            details[slot].pid = rename.pid ?? record.pid
            details[slot].comm = rename.newComm
        case .marker: details[slot].text = formats.marker(record)
        default: details[slot].probe = formats.probe(record)
        }
    }
}

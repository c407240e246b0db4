/// A tlb:tlb_flush record that a scheme would have written.
public struct FlushRecord: Hashable, Sendable {
    public var reason: FlushReason
    /// 4 KiB pages, ``Stimulus/flushAll`` for everything.
    public var pages: Int64

    public init(reason: FlushReason, pages: Int64) {
        self.reason = reason
        self.pages = pages
    }
}

/// enum tlb_flush_reason (include/linux/mm_types.h, v4.12; 5 since v6.14).
public enum FlushReason: UInt8, Sendable, CaseIterable {
    case taskSwitch, remoteShootdown, localShootdown, localMMShootdown, remoteSendIPI, remoteWrongCPU
}

/// What one scheme did with one stimulus. Reused from stimulus to stimulus: ``reset()``.
public struct Effects: Sendable {
    /// The records it would have written on the stimulus's CPU, in order; at most three.
    public private(set) var record0 = FlushRecord(reason: .taskSwitch, pages: 0)
    public private(set) var record1 = FlushRecord(reason: .taskSwitch, pages: 0)
    public private(set) var record2 = FlushRecord(reason: .taskSwitch, pages: 0)
    public private(set) var recordCount: UInt8 = 0
    /// What happened, a bit each, so that one store forgets it all and one comparison finds what is notable.
    @usableFromInline var flags = Flags()
    /// What an IPI found, for ``Stimulus/deliver(cpu:from:)``.
    public var delivery = Delivery.notTarget
    public var warnings = Warnings()
    /// ``Scheme/loadedMM(_:)`` and ``Scheme/bookedMM(_:)`` of the stimulus's CPU after it. Kept here so that a caller that wants them each
    /// time does not pass whole schemes around.
    public internal(set) var loaded = MM.unknown
    public internal(set) var booked = MM.unknown

    public init() {}

    /// Forgets everything but the records' contents, which ``recordCount`` hides.
    @inline(__always) public mutating func reset() {
        recordCount = 0
        flags = []
        delivery = .notTarget
        warnings = []
    }

    /// The records in their order. For those who want all of them; the replay takes them one by one.
    public func forEachRecord(_ body: (FlushRecord) -> Void) {
        if recordCount > 0 { body(record0) }
        if recordCount > 1 { body(record1) }
        if recordCount > 2 { body(record2) }
    }

    @inline(__always) mutating func emit(_ reason: FlushReason, _ pages: Int64) {
        if _fastPath(recordCount == 0) {
            record0 = FlushRecord(reason: reason, pages: pages)
            recordCount = 1
        } else {
            emitMore(FlushRecord(reason: reason, pages: pages))
        }
    }

    @inline(never) private mutating func emitMore(_ record: FlushRecord) {
        if recordCount == 1 { record1 = record } else { record2 = record }
        recordCount += 1
    }
}

extension Effects {
    @usableFromInline struct Flags: OptionSet, Sendable {
        @usableFromInline let rawValue: UInt8
        @inlinable init(rawValue: UInt8) { self.rawValue = rawValue }
        @inlinable static var cr3Load: Flags { Flags(rawValue: 1) }
        @inlinable static var redundantLoad: Flags { Flags(rawValue: 2) }
        @inlinable static var left: Flags { Flags(rawValue: 4) }
        @inlinable static var flushed: Flags { Flags(rawValue: 8) }
        @inlinable static var sent: Flags { Flags(rawValue: 16) }
        @inlinable static var staleLeave: Flags { Flags(rawValue: 32) }
    }

    @inlinable @inline(__always) mutating func set(_ flag: Flags, _ value: Bool) {
        if value { flags.insert(flag) } else { flags.remove(flag) }
    }

    /// CR3 was written (with something else, or again with the same).
    public var cr3Load: Bool {
        @inlinable get { flags.contains(.cr3Load) }
        @inlinable set { set(.cr3Load, newValue) }
    }
    /// CR3 was written with what it held already.
    public var redundantLoad: Bool {
        @inlinable get { flags.contains(.redundantLoad) }
        @inlinable set { set(.redundantLoad, newValue) }
    }
    /// leave_mm() ran with effect: CR3 is init_mm now.
    public var left: Bool {
        @inlinable get { flags.contains(.left) }
        @inlinable set { set(.left, newValue) }
    }
    /// Something was invalidated in this CPU's TLB other than by a CR3 load.
    public var flushed: Bool {
        @inlinable get { flags.contains(.flushed) }
        @inlinable set { set(.flushed, newValue) }
    }
    /// flush_tlb_others() ran; the CPUs it interrupts are in ``Scheme/targetWord(_:_:)``.
    public var sent: Bool {
        @inlinable get { flags.contains(.sent) }
        @inlinable set { set(.sent, newValue) }
    }
    /// leave_mm() ran for an mm that the bookkeeping still names, but which CR3 no longer points to: nothing was to be done.
    public var staleLeave: Bool {
        @inlinable get { flags.contains(.staleLeave) }
        @inlinable set { set(.staleLeave, newValue) }
    }

    /// The two may hold a divergence. Almost no stimulus does.
    @inlinable @inline(__always) public static func areNotable(_ old: UnsafePointer<Effects>, beside new: UnsafePointer<Effects>) -> Bool {
        // Not by value: what was just written field by field is slow to load as a whole.
        let parted = (old.pointee.flags.rawValue ^ new.pointee.flags.rawValue) & Flags.flushed.rawValue
        let alone = old.pointee.flags.rawValue & (Flags.redundantLoad.rawValue | Flags.staleLeave.rawValue)
        return parted | alone | old.pointee.warnings.rawValue | new.pointee.warnings.rawValue != 0
    }
}

/// What became of one IPI target.
public enum Delivery: UInt8, Sendable {
    /// This scheme had not interrupted the CPU.
    case notTarget
    /// It flushed.
    case flushed
    /// It was lazy and ran leave_mm() with effect.
    case left
    /// Nothing had to be done.
    case ignored
}

/// The WARN and BUG conditions of the schemes.
public struct Warnings: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// leave_mm(): BUG(), cpu_tlbstate.state is TLBSTATE_OK.
    public static let leaveWhileOK = Warnings(rawValue: 1)
    /// switch_mm(), prev = next (old): BUG_ON(cpu_tlbstate.active_mm != next).
    public static let activeMMMismatch = Warnings(rawValue: 2)
    /// switch_mm(), loaded_mm = next (v4.13): WARN, this CPU is not in mm_cpumask(next).
    public static let loadedNotInMask = Warnings(rawValue: 4)
    /// switch_mm() to another mm (v4.13): WARN, this CPU is already in mm_cpumask(next).
    public static let nextAlreadyInMask = Warnings(rawValue: 8)
    /// switch_mm() to another mm (v4.13): WARN, this CPU is not in mm_cpumask(loaded_mm).
    public static let previousNotInMask = Warnings(rawValue: 16)
    /// reset_lazy_tlbstate() (v4.13): WARN, CR3 is not swapper_pg_dir.
    public static let downWithUserCR3 = Warnings(rawValue: 32)

    public static let all: [(Warnings, String)] = [
        (.leaveWhileOK, "leave-mm-while-ok"), (.activeMMMismatch, "active-mm-mismatch"),
        (.loadedNotInMask, "loaded-not-in-mask"), (.nextAlreadyInMask, "next-already-in-mask"),
        (.previousNotInMask, "previous-not-in-mask"), (.downWithUserCR3, "down-with-user-cr3"),
    ]
}

/// What a scheme has done so far. Counts, never times; counted up without checks, since no trace overflows 64 bits.
public struct Counters: Equatable, Sendable {
    public var contextSwitches = 0
    /// Writes of CR3 by switch_mm() and leave_mm(); each emits a TASK_SWITCH record.
    public var cr3Loads = 0
    /// Switches from a task without an mm to one whose mm it borrowed and which is loaded still: what lazy TLB is for.
    public var savedLoads = 0
    /// Writes of CR3 for a task whose mm was borrowed before, and left (leave_mm()): what it costs to have left.
    public var reloads = 0
    /// leave_mm() with effect.
    public var leaveMM = 0
    /// flush_tlb_others() calls: another CPU was in the mask. One that is on its way off is in it, and not interrupted.
    public var ipiSends = 0
    /// CPUs interrupted, summed over the sends: each is one of flushed, left or ignored in the end.
    public var ipiTargets = 0
    public var ipiFlushed = 0
    public var ipiLeft = 0
    public var ipiIgnored = 0
    /// Of the targets, by what they ran when the IPI was sent: the idle task, and another task without an mm. The rest ran one with an mm, or what they ran is not known.
    public var ipiIdle = 0
    public var ipiKernel = 0
    /// Flushes of this CPU's TLB on its own behalf (no CR3 load, no IPI).
    public var localFlushes = 0
    /// Switches of which it is not known whether they loaded CR3, because what was loaded before is unknown.
    public var unknownSwitches = 0
    /// Flushes whose mm is unknown: nothing was done for them.
    public var unknownFlushes = 0
    public var vmstat = VMStat()
    /// By bit of ``Warnings``.
    public var warnings: [Int] = [Int](repeating: 0, count: Warnings.all.count)

    public init() {}
}

extension Counters {
    /// A CPU flushed on its own behalf.
    @inline(__always) mutating func countLocal(_ pages: Int64) {
        localFlushes &+= 1
        if pages == Stimulus.flushAll { vmstat.localFlushAll &+= 1 } else { vmstat.localFlushOne &+= Int(pages) }
    }

    /// flush_tlb_others() ran.
    @inline(__always) mutating func countSend(_ receivers: Receivers) {
        vmstat.remoteFlush &+= 1
        ipiSends &+= 1
        ipiTargets &+= receivers.count
        ipiIdle &+= receivers.idle
        ipiKernel &+= receivers.kernel
    }

    /// An IPI made a CPU flush.
    @inline(__always) mutating func countAnswer() {
        vmstat.remoteFlushReceived &+= 1
        ipiFlushed &+= 1
    }
}

/// The counters of /proc/vmstat under CONFIG_DEBUG_TLBFLUSH.
public struct VMStat: Equatable, Sendable {
    public var remoteFlush = 0
    public var remoteFlushReceived = 0
    public var localFlushAll = 0
    public var localFlushOne = 0
    public init() {}
}

/// One record of a trace, in the form in which it travels through merge, reconstruction and replay.
///
/// A record is a small plain value: the fields that hot loops need are decoded into it, everything else stays in the trace's
/// own bytes (``data``) and is decoded on demand through the ``EventFormats`` of the file.
public struct Record {
    /// Time in ns of the trace's clock, after the file's offset and scaling; a raw count for clocks that are not time.
    public var time: UInt64
    /// The record's own bytes, from its common fields on, in the file's byte order.
    ///
    /// Valid until the stream that gave the record is asked for the next one.
    public var data: UnsafeRawBufferPointer
    /// sched_switch: prev_pid (low half) and next_pid (high half); tlb_flush: reason. Zero for other kinds.
    public var word0: UInt64
    /// sched_switch: prev_state; tlb_flush: pages, all ones for everything. Zero for other kinds.
    public var word1: UInt64
    /// The CPU whose buffer holds the record.
    public var cpu: Int32
    /// common_pid: the task that was current when the record was written.
    public var pid: Int32
    /// The id of the event within its file (common_type).
    public var eventID: UInt16
    public var kind: Kind
    /// common_flags (TRACE_FLAG_* of include/linux/trace_events.h): 0x01 irqs off, 0x08 hardirq, 0x10 softirq.
    public var flags: UInt8

    /// What a record is to the replay. Everything else is ``other``.
    public enum Kind: UInt8, Sendable {
        case other
        /// Not a record of the file: events of this CPU were lost here. ``Record/word0`` is their number, 0 if unknown;
        /// ``Record/word1`` is the time of the last record before the gap; ``Record/time`` that of the first after it.
        case lost
        case schedSwitch, tlbFlush
        case newTask, fork, exec, exit, rename
        /// A trace_marker line (ftrace:print). With interrupts off it is none: a BPF program at sched_switch or tlb_flush may write one (bpf_trace_printk(), up to v5.8), in the
        /// middle of what the records around it tell.
        case marker
        /// Probe events of docs/recording.md, named as in the trace; see ``ProbeFields``.
        case ctxsw, swMM, leave, flushRange, flushPage, flushCommon, flushOthers, flushRemote, batch
        case flushAll, doFlushAll, flushKernelRange, doKernelRange
        case idleExit, mmRelease, mmDrop, enterLazy
    }

    /// It was written with interrupts off (TRACE_FLAG_IRQS_OFF).
    var irqsOff: Bool { flags & 0x01 != 0 }
    /// The record was written by an interrupt handler (TRACE_FLAG_HARDIRQ).
    @inlinable public var inHardIRQ: Bool { flags & 0x08 != 0 }
    /// sched_switch: the outgoing task.
    @inlinable public var prevPID: Int32 { Int32(truncatingIfNeeded: word0) }
    /// sched_switch: the incoming task.
    @inlinable public var nextPID: Int32 { Int32(truncatingIfNeeded: word0 >> 32) }
    /// tlb_flush: the reason, a number (enum tlb_flush_reason, include/linux/mm_types.h).
    @inlinable public var reason: Int32 { Int32(truncatingIfNeeded: word0) }
    /// tlb_flush: pages flushed, -1 for everything.
    @inlinable public var pages: Int64 { Int64(bitPattern: word1) }
}

/// A task's name as the kernel keeps it: 16 bytes, not always terminated (TASK_COMM_LEN, include/linux/sched.h).
public struct Comm: Hashable, Sendable {
    public var low: UInt64
    public var high: UInt64
}

extension Record {
    /// A record to start with, before a stream fills it.
    public static var none: Record {
        Record(
            time: 0, data: UnsafeRawBufferPointer(start: nil, count: 0), word0: 0, word1: 0, cpu: -1, pid: -1, eventID: 0,
            kind: .other, flags: 0)
    }
}

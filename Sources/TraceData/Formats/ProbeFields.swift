/// The fields of a probe record (docs/recording.md) that the reconstruction reads, whatever its event has of them. All others are 0.
public struct ProbeFields: Sendable, Equatable {
    /// `mm`.
    public var mm: UInt64 = 0
    /// `pmm`; in sw_mm `prev`.
    public var prevMM: UInt64 = 0
    /// `nmm`; in sw_mm `next`.
    public var nextMM: UInt64 = 0
    /// `tsk`: address of a task_struct.
    public var task: UInt64 = 0
    public var start: UInt64 = 0
    public var end: UInt64 = 0
    /// `vmflag`.
    public var vmFlags: UInt64 = 0
    /// `mask` or `nmask`: first word of an mm_cpumask, or of the mask of CPUs to interrupt.
    public var mask: UInt64 = 0
    /// `lmN` of the record's own CPU: active_mm or loaded_mm at that moment.
    public var ownMM: UInt64 = 0
    /// `npid`, else `tpid`, else `pid`.
    public var pid: Int32 = 0
    /// `init_cpu`: the CPU that sent what a handler handles.
    public var initiator: Int32 = 0
    /// `stN` of the record's own CPU: cpu_tlbstate.state.
    public var ownState: Int32 = 0
    /// `lzN` of the record's own CPU: is_lazy.
    public var ownLazy = false
    /// Another CPU, whose `lmN` and `lzN` are in ``otherMM`` and ``otherLazy``: one that the record's time picks, of those that the event has both of; -1 if there is none.
    public var otherCPU: Int32 = -1
    public var otherLazy = false
    public var otherMM: UInt64 = 0
    /// Which fields the event has at all.
    public var present: Present = []

    public struct Present: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        public static let mm = Present(rawValue: 1 << 0)
        public static let prevMM = Present(rawValue: 1 << 1)
        public static let nextMM = Present(rawValue: 1 << 2)
        public static let task = Present(rawValue: 1 << 3)
        public static let pid = Present(rawValue: 1 << 4)
        public static let range = Present(rawValue: 1 << 5)
        public static let mask = Present(rawValue: 1 << 6)
        public static let ownMM = Present(rawValue: 1 << 7)
        public static let ownState = Present(rawValue: 1 << 8)
        public static let ownLazy = Present(rawValue: 1 << 9)
        public static let vmFlags = Present(rawValue: 1 << 10)
        public static let end = Present(rawValue: 1 << 11)
        public static let initiator = Present(rawValue: 1 << 12)
    }

    public var hasMask: Bool { present.contains(.mask) }
    public var hasOwnMM: Bool { present.contains(.ownMM) }
    public var hasOwnState: Bool { present.contains(.ownState) }

    public init() {}
}

/// Where the fields of one probe event are.
struct ProbeLayout: Sendable {
    private var mm, prevMM, nextMM, task, start, end, vmFlags, mask, pid, initiator: FieldRef
    /// lmN, stN and lzN by CPU number.
    private var own: [(mm: FieldRef, state: FieldRef, lazy: FieldRef)] = []
    /// It has both of ``ProbeFields/otherMM`` and ``ProbeFields/otherLazy`` of some CPU.
    private var showsOthers = false
    private var present: ProbeFields.Present = []

    init(_ event: EventFormats.Event) {
        func find(_ names: String...) -> FieldRef {
            names.lazy.compactMap { FieldRef(event, $0) }.first ?? FieldRef()
        }
        let isSwitchMM = event.kind == .swMM
        mm = find("mm")
        prevMM = isSwitchMM ? find("pmm", "prev") : find("pmm")
        nextMM = isSwitchMM ? find("nmm", "next") : find("nmm")
        task = find("tsk")
        start = find("start", "addr")
        end = find("end")
        vmFlags = find("vmflag")
        mask = find("mask", "nmask")
        pid = find("npid", "tpid", "pid")
        initiator = find("init_cpu")
        var cpu = 0
        while true {
            let triple = (mm: find("lm\(cpu)"), state: find("st\(cpu)"), lazy: find("lz\(cpu)"))
            guard triple.mm.exists || triple.state.exists || triple.lazy.exists else { break }
            own.append(triple)
            cpu += 1
        }
        showsOthers = own.count > 1 && own.contains { $0.mm.exists && $0.lazy.exists }
        let flags: [(FieldRef, ProbeFields.Present)] = [
            (mm, .mm), (prevMM, .prevMM), (nextMM, .nextMM), (task, .task), (start, .range), (end, .end), (vmFlags, .vmFlags), (mask, .mask), (pid, .pid), (initiator, .initiator),
        ]
        for (field, flag) in flags where field.exists { present.insert(flag) }
    }

    /// Decodes a record that has all fields of the event; ``CPUStream`` gives no others. In place: it is no small thing to copy.
    func decode(_ data: UnsafeRawBufferPointer, cpu: Int, time: UInt64, _ bigEndian: Bool, into fields: inout ProbeFields) {
        func word(_ ref: FieldRef) -> UInt64 { ref.value(data, bigEndian) }
        func int(_ ref: FieldRef) -> Int32 { Int32(truncatingIfNeeded: ref.value(data, bigEndian)) }
        fields.present = present
        fields.mm = word(mm)
        fields.prevMM = word(prevMM)
        fields.nextMM = word(nextMM)
        fields.task = word(task)
        fields.start = word(start)
        fields.end = word(end)
        fields.vmFlags = word(vmFlags)
        fields.mask = word(mask)
        fields.pid = int(pid)
        fields.initiator = int(initiator)
        if own.indices.contains(cpu) {
            let mine = own[cpu]
            if mine.mm.exists { fields.ownMM = word(mine.mm); fields.present.insert(.ownMM) }
            if mine.state.exists { fields.ownState = int(mine.state); fields.present.insert(.ownState) }
            if mine.lazy.exists { fields.ownLazy = word(mine.lazy) != 0; fields.present.insert(.ownLazy) }
        }
        if showsOthers {
            let other = Self.pick(of: own.count, at: time)
            if other != cpu, own[other].mm.exists, own[other].lazy.exists {
                (fields.otherCPU, fields.otherMM, fields.otherLazy) = (Int32(other), word(own[other].mm), word(own[other].lazy) != 0)
            }
        }
    }

    /// All are picked about as often, also if times are multiples of some number.
    private static func pick(of count: Int, at time: UInt64) -> Int { Int((((time &* 0x9e37_79b9_7f4a_7c15) >> 32) &* UInt64(count)) >> 32) }
}

extension EventFormats {
    /// Decodes a probe record; all fields absent for other records.
    public func probe(_ record: Record) -> ProbeFields {
        var fields = ProbeFields()
        probe(record, into: &fields)
        return fields
    }

    /// The same, into fields that are all absent.
    func probe(_ record: Record, into fields: inout ProbeFields) {
        let entry = layout.entries[Int(record.eventID)]
        guard entry.kind == record.kind, record.kind.isProbe else { return }
        layout.probes[Int(entry.detail)].decode(record.data, cpu: Int(record.cpu), time: record.time, bigEndian, into: &fields)
    }
}

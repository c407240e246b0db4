import Glibc

/// What the hot loop must know about each event: its kind, and where the fields are that go into a ``Record``.
final class RecordLayout: @unchecked Sendable {
    /// What is known about an event id. Zeros are an event that the file does not declare, so that memory that nothing was written to, and which takes no time, is as many of these.
    struct Entry {
        var kind: Record.Kind
        private let isDeclared: Bool
        /// Complements of ``minimum`` and ``maximum``.
        private var lower: UInt16
        private var upper: UInt16 = 0
        /// Index into ``probes`` or ``typed``.
        var detail: UInt16 = 0

        init(kind: Record.Kind, minimum: UInt16) { (self.kind, isDeclared, lower) = (kind, true, ~minimum) }

        var isUndeclared: Bool { !isDeclared }

        /// Bytes that a record must have for its fields to be there; the common fields' end for events of no interest. No record is so long that a loop would take one of an event
        /// that is not declared for one of no interest.
        var minimum: UInt16 {
            @inline(__always) get { ~lower }
            set { lower = ~newValue }
        }

        /// Bytes that one may have: where all fields have fixed sizes the kernel writes the structure, which ends with them but for ``padding``.
        var maximum: UInt16 {
            @inline(__always) get { ~upper }
            set { upper = ~newValue }
        }
    }

    /// Fields that are decoded into every record, or into those of the two events that matter most.
    struct HotFields {
        var eventID, flags, pid: FieldRef
        var prevPID = FieldRef()
        var nextPID = FieldRef()
        var prevState = FieldRef()
        var reason = FieldRef()
        var pages = FieldRef()

        /// The common fields are where all kernels have had them since 2.6.31.
        var areUsual: Bool {
            (eventID.offset, eventID.size) == (0, 2) && (flags.offset, flags.size) == (2, 1) && (pid.offset, pid.size) == (4, 4)
        }

        /// next_comm is 16 bytes from here on; -1 if the format says otherwise.
        var nextComm = -1
        /// The fields of the two events have the sizes that they have in 64-bit kernels.
        var haveUsualSizes: Bool {
            prevPID.size == 4 && nextPID.size == 4 && prevState.size == 8 && reason.size == 4 && pages.size == 8 && nextComm >= 0
        }

        /// Ids of the two events, and the bytes that their records must have; no id if the file does not declare them.
        var switchID: UInt32 = .max
        var switchSize = 0
        var flushID: UInt32 = .max
        var flushSize = 0

        /// Bytes that every record must have.
        var commonEnd: Int { max(eventID.end, flags.end, pid.end) }
    }

    /// A record's end is at most this far from the end of its last field, in bytes: structures are aligned to 8 bytes, and perf's raw data once more
    /// (perf_trace_buf_alloc(), kernel/trace/trace_event_perf.c).
    static let padding = 14
    /// Events of the kernel's own that have nothing but numbers and names of 16 bytes.
    private static let haveFixedSize: [Record.Kind] = [.schedSwitch, .tlbFlush, .newTask, .fork, .exit, .rename]

    /// One entry for each 16-bit id, so that no id needs a check.
    let entries: UnsafeMutablePointer<Entry>
    let hot: HotFields
    /// Fields of the typed decoders, by ``Entry/detail``.
    let typed: [TypedLayout]
    let probes: [ProbeLayout]

    init(_ events: [EventFormats.Event], common: [EventFormats.Field], incomplete: inout [(id: Int, cause: String)]) {
        func commonField(_ name: String, _ fallback: FieldRef) -> FieldRef {
            common.first { $0.name == name }.flatMap { FieldRef($0) } ?? fallback
        }
        // struct trace_entry, include/linux/trace_events.h.
        var hot = HotFields(
            eventID: commonField("common_type", FieldRef(offset: 0, size: 2)),
            flags: commonField("common_flags", FieldRef(offset: 2, size: 1)),
            pid: commonField("common_pid", FieldRef(offset: 4, size: 4, signed: true)))
        let commonEnd = UInt16(hot.commonEnd)

        entries = calloc(EventFormats.eventLimit, MemoryLayout<Entry>.stride)!.bindMemory(to: Entry.self, capacity: EventFormats.eventLimit)
        for event in events { entries[event.id] = Entry(kind: .other, minimum: commonEnd) }
        var sched: EventFormats.Event?
        var nextComm: TypedLayout.TextRef?
        var flush: EventFormats.Event?
        var typed: [TypedLayout] = []
        var probes: [ProbeLayout] = []
        for event in events where event.kind != .other {
            var entry = Entry(kind: event.kind, minimum: commonEnd)
            var ends = [Int(commonEnd)]
            if event.kind.isProbe {
                let layout = ProbeLayout(event)
                ends += event.fields.map { $0.offset + $0.size }
                entry.detail = UInt16(probes.count)
                probes.append(layout)
            } else {
                var missing: String?
                let layout = TypedLayout(event, missing: &missing)
                if let missing {
                    incomplete.append((event.id, "\(event.name) has no integer field \(missing)"))
                    continue
                }
                ends += event.fields.map { $0.offset + $0.size }
                entry.detail = UInt16(typed.count)
                typed.append(layout)
                if event.kind == .tlbFlush { flush = event }
                if event.kind == .schedSwitch { (sched, nextComm) = (event, layout.second) }
            }
            entry.minimum = UInt16(clamping: ends.max() ?? 0)
            if Self.haveFixedSize.contains(event.kind), !event.fields.contains(where: { $0.isDynamic || $0.size == 0 }) {
                entry.maximum = UInt16(clamping: Int(entry.minimum) + Self.padding)
            }
            entries[event.id] = entry
        }
        self.typed = typed
        self.probes = probes
        func hotField(_ event: EventFormats.Event?, _ name: String) -> FieldRef {
            event.flatMap { FieldRef($0, name) } ?? FieldRef()
        }
        hot.prevPID = hotField(sched, "prev_pid")
        hot.nextPID = hotField(sched, "next_pid")
        // A signed long, of 4 bytes on 32-bit kernels.
        hot.prevState = hotField(sched, "prev_state")
        hot.reason = hotField(flush, "reason")
        // An unsigned long, all ones for everything: the extended sign makes that -1 on 32-bit kernels, too.
        hot.pages = hotField(flush, "pages")
        hot.pages.signed = true
        if let sched { (hot.switchID, hot.switchSize) = (UInt32(sched.id), Int(entries[sched.id].minimum)) }
        if let flush { (hot.flushID, hot.flushSize) = (UInt32(flush.id), Int(entries[flush.id].minimum)) }
        if let nextComm, nextComm.form == .fixed, nextComm.size == 16 { hot.nextComm = Int(nextComm.offset) }
        self.hot = hot
    }

    deinit { free(entries) }
}

extension FieldRef {
    /// An integer field that can be loaded; nil for others.
    init?(_ field: EventFormats.Field) {
        guard !field.isDynamic, !field.isArray || field.size == field.elementSize, [1, 2, 4, 8].contains(field.size) else { return nil }
        self.init(offset: UInt16(field.offset), size: UInt8(field.size), signed: field.isSigned)
    }

    init?(_ event: EventFormats.Event, _ name: String) {
        guard let field = event.field(name) else { return nil }
        self.init(field)
    }
}

extension Record.Kind {
    /// What an event is, by system and name for the kernel's own events, by name for probe events of any system.
    init(system: String, name: String, fields: [EventFormats.Field]) {
        switch (system, name) {
        case ("sched", "sched_switch"): self = .schedSwitch
        case ("tlb", "tlb_flush"): self = .tlbFlush
        case ("task", "task_newtask"): self = .newTask
        case ("sched", "sched_process_fork"): self = .fork
        case ("sched", "sched_process_exec"): self = .exec
        case ("sched", "sched_process_exit"): self = .exit
        case ("task", "task_rename"): self = .rename
        case ("ftrace", "print"): self = .marker
        default:
            // __probe_ip is what tells a probe from a tracepoint (kernel/trace/trace_probe.h, FIELD_STRING_IP).
            let isProbe = system == "kprobes" || fields.contains { $0.name == "__probe_ip" }
            self = isProbe ? Self.probeNames[name] ?? .other : .other
        }
    }

    /// Names of the probe events (docs/recording.md).
    package static let probeNames: [String: Record.Kind] = [
        "ctxsw": .ctxsw, "sw_mm": .swMM, "leave": .leave, "fl_range": .flushRange, "fl_page": .flushPage,
        "fl_common": .flushCommon, "fl_others": .flushOthers, "fl_multi": .flushOthers, "fl_remote": .flushRemote,
        "fl_func": .flushRemote, "batch": .batch, "fl_all": .flushAll, "do_fl_all": .doFlushAll,
        "fl_krange": .flushKernelRange, "do_krange": .doKernelRange, "idle_exit": .idleExit, "mm_release": .mmRelease,
        "exit_mm_rel": .mmRelease, "exec_mm_rel": .mmRelease, "mmdrop": .mmDrop, "lazy": .enterLazy,
    ]

    /// The kind is one of a probe event.
    public var isProbe: Bool { rawValue >= Record.Kind.ctxsw.rawValue }
}

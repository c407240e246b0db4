/// A probe event to be made: where, and what it reads.
public struct PlannedProbe: Sendable, Equatable {
    /// As the readers know it (``Record/Kind`` of TraceData).
    public var name: String
    /// The kernel's function, at whose entry it is.
    public var function: String
    /// Its fields in the form of kprobe_events (Documentation/trace/kprobetrace.rst).
    public var fields: String
}

/// A probe that cannot be placed.
public struct MissingProbe: Sendable, Equatable {
    public var name: String
    public var reason: String
    public var cost: String

    public var description: String { "no probe \(name): \(reason); \(cost)" }
}

/// Which probe events the reconstruction can use (`ProbeReconstruction`), and what they have to read on this kernel.
///
/// Where fields are, and in which register a parameter comes, is read from the kernel's BTF. What that does not tell is not guessed: the probe is left out.
public struct ProbePlan: Sendable {
    public private(set) var probes: [PlannedProbe] = []
    public private(set) var missing: [MissingProbe] = []

    /// Without these the others cannot be used (`TraceFile.hasProbes`).
    static let necessary: Set<String> = ["sw_mm", "fl_range"]

    /// More CPUs than this are not all read in each event: an event has 128 fields at most (MAX_TRACE_ARGS, kernel/trace/trace_probe.h), and each takes its time.
    static let ownStateLimit = 16

    /// Registers of the first integer parameters (System V ABI of x86-64), by the names that kprobe events give them.
    private static let registers = ["%di", "%si", "%dx", "%cx", "%r8", "%r9"]

    private let btf: BTF
    /// Fields that read cpu_tlbstate of each CPU.
    private var ownState = ""

    /// - Parameters:
    ///   - symbols: addresses of the kernel's data by name (/proc/kallsyms), 0 where it hides them.
    ///   - cpus: how many there are, by their highest number.
    init(_ btf: BTF, symbols: [String: UInt64], cpus: Int) {
        self.btf = btf
        planOwnState(symbols, cpus)
        planSwitches()
        planFlushes()
        planEnds()
    }

    // MARK: parts of fields

    /// A function's parameters and where they come, or why that is not known.
    private func parameters(_ function: String) -> (places: [String: String], types: [String: BTF.TypeID])? {
        guard let list = btf.parameters(function), list.count <= Self.registers.count, list.allSatisfy({ btf.isScalar($0.type) }) else { return nil }
        var places: [String: String] = [:]
        var types: [String: BTF.TypeID] = [:]
        for (parameter, register) in zip(list, Self.registers) { (places[parameter.name], types[parameter.name]) = (register, parameter.type) }
        return (places, types)
    }

    /// A parameter of this name that points to this structure.
    private func pointer(_ function: String, _ name: String, to structure: String) -> String? {
        guard let found = parameters(function), let type = found.types[name], btf.isPointer(type, to: structure) else { return nil }
        return found.places[name]
    }

    /// Where mm_cpumask() of an mm begins.
    private var cpuMask: Int? {
        // cpu_bitmap is the first part of flexible_array from v6.19 on; cpu_vm_mask_var is a pointer to cpumask_allocation in kernels for many CPUs, up to v4.18.
        btf.offset("mm_struct", "cpu_bitmap") ?? btf.offset("mm_struct", "flexible_array") ?? btf.offset("mm_struct", "cpumask_allocation")
            ?? (btf.isArray("mm_struct", "cpu_vm_mask_var") ? btf.offset("mm_struct", "cpu_vm_mask_var") : nil)
    }

    /// v4.14 and later.
    private var hasLazyFlag: Bool { btf.offset("tlb_state_shared", "is_lazy") != nil || btf.offset("tlb_state", "is_lazy") != nil }

    private var taskPID: Int? { btf.offset("task_struct", "pid") }

    private mutating func place(_ name: String, _ function: String, _ fields: String) {
        probes.append(PlannedProbe(name: name, function: function, fields: fields.trimmed))
    }

    private mutating func leaveOut(_ name: String, _ reason: String, _ cost: String) { missing.append(MissingProbe(name: name, reason: reason, cost: cost)) }

    private func notDescribed(_ function: String) -> String { "the kernel's BTF does not describe \(function)() as it was expected" }

    // MARK: what a CPU has loaded

    /// cpu_tlbstate of CPU N lies at its per-CPU address plus __per_cpu_offset[N]: a probe event can read the table, and go on from there.
    private mutating func planOwnState(_ symbols: [String: UInt64], _ cpus: Int) {
        let cost = "what a CPU has loaded at the start, and behind lost events, shows only at its next switch"
        guard cpus <= Self.ownStateLimit else {
            return leaveOut("fields lm, lz", "there are \(cpus) CPUs, and events with fields for more than \(Self.ownStateLimit) take too long", cost)
        }
        guard let loaded = btf.offset("tlb_state", "loaded_mm") ?? btf.offset("tlb_state", "active_mm") else {
            return leaveOut("fields lm, lz", "the kernel's BTF has no tlb_state.loaded_mm", cost)
        }
        guard let state = symbols["cpu_tlbstate"], state != 0, symbols["__per_cpu_offset"] ?? 0 != 0 else {
            return leaveOut("fields lm, lz", "/proc/kallsyms does not show the address of cpu_tlbstate (kernel.kptr_restrict, CONFIG_KALLSYMS_ALL)", cost)
        }
        var lazy: (address: UInt64, name: String, type: String)?
        if let offset = btf.offset("tlb_state_shared", "is_lazy"), let shared = symbols["cpu_tlbstate_shared"], shared != 0 {
            lazy = (shared &+ UInt64(offset), "lz", "u8")
        } else if let offset = btf.offset("tlb_state", "is_lazy") {
            lazy = (state &+ UInt64(offset), "lz", "u8")
        } else if let offset = btf.offset("tlb_state", "state") {
            lazy = (state &+ UInt64(offset), "st", "s32")
        }
        for cpu in 0..<cpus {
            ownState += " lm\(cpu)=\(Self.perCPU(state &+ UInt64(loaded), cpu)):x64"
            if let lazy { ownState += " \(lazy.name)\(cpu)=\(Self.perCPU(lazy.address, cpu)):\(lazy.type)" }
        }
    }

    /// Memory at an address plus the CPU's __per_cpu_offset.
    private static func perCPU(_ address: UInt64, _ cpu: Int) -> String {
        let offset = Int64(bitPattern: address)
        return "\(offset < 0 ? "" : "+")\(offset)(@__per_cpu_offset+\(8 * cpu))"
    }

    // MARK: probes

    private mutating func planSwitches() {
        let unusable = "without it the mms are inferred, as without probes"
        let mask = cpuMask.map { " nmask=+\($0)(%si):x64" } ?? ""
        if let found = parameters("switch_mm_irqs_off"), let next = pointer("switch_mm_irqs_off", "next", to: "mm_struct"), next == "%si",
            let task = pointer("switch_mm_irqs_off", "tsk", to: "task_struct"), task == "%dx" {
            // From v6.10 on the parameter is there, and unused: what its callers pass need not be the previous mm.
            let previous = found.places["prev"] == "%di" ? "prev=%di:x64 " : ""
            place("sw_mm", "switch_mm_irqs_off", previous + "next=%si:x64 tsk=%dx:x64" + (taskPID.map { " tpid=+\($0)(%dx):s32" } ?? "") + mask + ownState)
        } else {
            leaveOut("sw_mm", notDescribed("switch_mm_irqs_off"), unusable)
        }
        if let list = btf.parameters("leave_mm") {
            place("leave", "leave_mm", (list.count == 1 ? "cpu=%di:s32" : "") + ownState)
        } else {
            leaveOut("leave", notDescribed("leave_mm"), "idle CPUs that leave an mm show only by their tlb_flush record")
        }
        if pointer("enter_lazy_tlb", "mm", to: "mm_struct") == "%di", pointer("enter_lazy_tlb", "tsk", to: "task_struct") == "%si", let pid = taskPID,
            let mm = btf.offset("task_struct", "mm") {
            place("lazy", "enter_lazy_tlb", "mm=%di:x64 tsk=%si:x64 tpid=+\(pid)(%si):s32 pidmm=+\(mm)(%si):x64" + ownState)
        } else if !hasLazyFlag, pointer("__switch_to", "prev_p", to: "task_struct") == "%di", pointer("__switch_to", "next_p", to: "task_struct") == "%si", let pid = taskPID,
            let mm = btf.offset("task_struct", "mm"), let active = btf.offset("task_struct", "active_mm") {
            // Up to v4.13 enter_lazy_tlb() is inline, and __switch_to() can be probed.
            place(
                "ctxsw", "__switch_to",
                "prev=%di:x64 next=%si:x64 ppid=+\(pid)(%di):s32 pmm=+\(mm)(%di):x64 npid=+\(pid)(%si):s32 nmm=+\(mm)(%si):x64 namm=+\(active)(%si):x64" + ownState)
        }
        // Where neither can be probed (enter_lazy_tlb() is inline in v7.3 again), a switch that does not come to switch_mm_irqs_off() is one to a task without an mm.
    }

    /// Fields of struct flush_tlb_info behind a pointer in a register.
    private func info(_ register: String) -> String? {
        guard let mm = btf.offset("flush_tlb_info", "mm") ?? btf.offset("flush_tlb_info", "flush_mm"),
            let start = btf.offset("flush_tlb_info", "start") ?? btf.offset("flush_tlb_info", "flush_start"),
            let end = btf.offset("flush_tlb_info", "end") ?? btf.offset("flush_tlb_info", "flush_end")
        else { return nil }
        return "mm=+\(mm)(\(register)):x64 start=+\(start)(\(register)):x64 end=+\(end)(\(register)):x64"
    }

    private mutating func planFlushes() {
        let unusable = "without it the mms are inferred, as without probes"
        if let found = parameters("flush_tlb_mm_range"), pointer("flush_tlb_mm_range", "mm", to: "mm_struct") == "%di", found.places["start"] == "%si",
            found.places["end"] == "%dx", let mask = cpuMask {
            var fields = "mm=%di:x64 start=%si:x64 end=%dx:x64"
            if let register = found.places["stride_shift"] { fields += " stride=\(register):u32" }
            if let register = found.places["vmflag"] { fields += " vmflag=\(register):x64" }
            if let register = found.places["freed_tables"] { fields += " freed_tables=\(register):u8" }
            place("fl_range", "flush_tlb_mm_range", fields + " mask=+\(mask)(%di):x64" + ownState)
        } else {
            leaveOut("fl_range", notDescribed("flush_tlb_mm_range"), unusable)
        }
        let handlers = [("fl_func", "flush_tlb_func"), ("fl_remote", "flush_tlb_func_remote")]
        if let (name, function) = handlers.first(where: { btf.parameters($0.1)?.count == 1 }), let fields = info("%di") {
            var more = ""
            if let offset = btf.offset("flush_tlb_info", "new_tlb_gen") { more += " tlb_gen=+\(offset)(%di):u64" }
            if let offset = btf.offset("flush_tlb_info", "initiating_cpu") { more += " init_cpu=+\(offset)(%di):u32" }
            place(name, function, fields + more + ownState)
        } else {
            leaveOut("fl_func", notDescribed("flush_tlb_func"), "IPIs are taken to be handled when their sender goes on")
        }
        planSends()
        if let batch = btf.parameters("arch_tlbbatch_flush"), batch.count == 1, btf.isPointer(batch[0].type, to: "arch_tlbflush_unmap_batch"),
            let mask = btf.offset("arch_tlbflush_unmap_batch", "cpumask") {
            place("batch", "arch_tlbbatch_flush", "batch=%di:x64 mask=+\(mask)(%di):x64" + ownState)
        } else {
            leaveOut("batch", notDescribed("arch_tlbbatch_flush"), "which CPUs a reclaim's flush is for is not known")
        }
        planPlain("fl_all", "flush_tlb_all", "", cost: "flushes of everything show only where they make a CPU leave its mm")
        planPlain("do_fl_all", "do_flush_tlb_all", ownState, cost: "that a CPU leaves its mm for a flush of everything shows only by its tlb_flush record")
    }

    private mutating func planSends() {
        let cost = "whom a flush interrupts is taken from the mm's mask when it began"
        for (name, function) in [("fl_multi", "native_flush_tlb_multi"), ("fl_others", "native_flush_tlb_others")] {
            guard let list = btf.parameters(function), list.count >= 2, btf.isPointer(list[0].type, to: "cpumask") else { continue }
            if list.count == 2, btf.isPointer(list[1].type, to: "flush_tlb_info"), let fields = info("%si") {
                let generation = btf.offset("flush_tlb_info", "new_tlb_gen").map { " tlb_gen=+\($0)(%si):u64" } ?? ""
                return place(name, function, "mask=+0(%di):x64 " + fields + generation)
            }
            // Up to v4.12.
            if list.count == 4, list.map(\.name).dropFirst() == ["mm", "start", "end"] { return place(name, function, "mask=+0(%di):x64 mm=%si:x64 start=%dx:x64 end=%cx:x64") }
        }
        leaveOut("fl_multi", notDescribed("native_flush_tlb_multi"), cost)
    }

    private mutating func planEnds() {
        planPlain("idle_exit", "idle_task_exit", "", cost: "a CPU that goes off shows only by its records")
        let release = [("exit_mm_rel", "exit_mm_release"), ("exec_mm_rel", "exec_mm_release"), ("mm_release", "mm_release")]
        let found = release.filter { pointer($0.1, "tsk", to: "task_struct") == "%di" || pointer($0.1, "task", to: "task_struct") == "%di" }
        if let pid = taskPID, !found.isEmpty {
            // mm_release() has had the other two's place up to v5.4; since then it is called by both.
            for (name, function) in found.count > 1 ? Array(found.prefix(2)) : found { place(name, function, "tsk=%di:x64 mm=%si:x64 pid=+\(pid)(%di):s32") }
        } else {
            leaveOut("mm_release", notDescribed("exit_mm_release"), "when a dying task gives its mm up shows only at its exit")
        }
        if pointer("__mmdrop", "mm", to: "mm_struct") == "%di" {
            place("mmdrop", "__mmdrop", "mm=%di:x64")
        } else {
            leaveOut("mmdrop", notDescribed("__mmdrop"), "an mm whose memory is used again may be taken for the one before")
        }
    }

    private mutating func planPlain(_ name: String, _ function: String, _ fields: String, cost: String) {
        if btf.parameters(function) != nil { place(name, function, fields) } else { leaveOut(name, notDescribed(function), cost) }
    }
}

extension String {
    fileprivate var trimmed: String { String(drop { $0 == " " }) }
}

@testable import Recording
import Testing

/// The probes of kernels before v5.13, whose types are not those of today: where each field and parameter is, by the kernel's source.
@Suite struct ProbePlanTests {
    private typealias Types = BTFTests.Types

    /// mm_cpumask() of kernels for few CPUs, and of those for many (CONFIG_CPUMASK_OFFSTACK), up to v4.18: include/linux/mm_types.h.
    enum Mask { case array, allocation }

    /// What v4.12, v4.13 and v5.10 have in common. Places of fields are those of the kernels that the fixtures were recorded on.
    private struct Common {
        var types = Types()
        let int, long, void, mm, task, mask: UInt32

        init(maskField: (inout Types, UInt32, UInt32) -> [Types.Member], taskFields: (mm: UInt32, active: UInt32, pid: UInt32)) {
            (int, long, void) = (types.int(), types.int(8), types.pointer(to: 0))
            let cpumask = types.structure("cpumask", [("bits", types.array(of: long, 1), 0)])
            mask = types.pointer(to: types.const(cpumask))
            mm = types.pointer(to: types.structure("mm_struct", maskField(&types, cpumask, long)))
            task = types.pointer(to: types.structure("task_struct", [("mm", mm, taskFields.mm * 8), ("active_mm", mm, taskFields.active * 8), ("pid", int, taskFields.pid * 8)]))
            types.function("switch_mm_irqs_off", [("prev", mm), ("next", mm), ("tsk", task)])
            types.function("leave_mm", [("cpu", int)])
            types.function("__switch_to", [("prev_p", task), ("next_p", task)])
            types.function("flush_tlb_all", [])
            types.function("do_flush_tlb_all", [("info", void)])
            types.function("idle_task_exit", [])
            types.function("__mmdrop", [("mm", mm)])
        }

        mutating func batch() {
            let batch = types.structure("arch_tlbflush_unmap_batch", [("cpumask", types.structure("cpumask", []), 0)])
            types.function("arch_tlbbatch_flush", [("batch", types.pointer(to: batch))])
        }
    }

    private static func oldMask(_ kind: Mask) -> (inout Types, UInt32, UInt32) -> [Types.Member] {
        { types, cpumask, _ in
            switch kind {
            case .array: [("cpu_vm_mask_var", types.typedef("cpumask_var_t", types.array(of: cpumask, 1)), 712 * 8)]
            case .allocation: [("cpu_vm_mask_var", types.typedef("cpumask_var_t", types.pointer(to: cpumask)), 712 * 8), ("cpumask_allocation", cpumask, 1000 * 8)]
            }
        }
    }

    /// arch/x86/mm/tlb.c, arch/x86/include/asm/tlbflush.h and kernel/fork.c, v4.12.
    private static func kernel412(_ mask: Mask = .array) -> Types {
        var kernel = Common(maskField: oldMask(mask), taskFields: (616, 624, 792))
        _ = kernel.types.structure("tlb_state", [("active_mm", kernel.mm, 0), ("state", kernel.int, 8 * 8), ("cr4", kernel.long, 16 * 8)])
        _ = kernel.types.structure("flush_tlb_info", [("flush_mm", kernel.mm, 0), ("flush_start", kernel.long, 8 * 8), ("flush_end", kernel.long, 16 * 8)])
        kernel.types.function("flush_tlb_mm_range", [("mm", kernel.mm), ("start", kernel.long), ("end", kernel.long), ("vmflag", kernel.long)])
        kernel.types.function("native_flush_tlb_others", [("cpumask", kernel.mask), ("mm", kernel.mm), ("start", kernel.long), ("end", kernel.long)])
        kernel.types.function("flush_tlb_func", [("info", kernel.void)])
        kernel.types.function("mm_release", [("tsk", kernel.task), ("mm", kernel.mm)])
        return kernel.types
    }

    /// The same of v4.13: loaded_mm, a request in one structure, and handlers for the CPU itself and for others.
    private static func kernel413() -> Types {
        var kernel = Common(maskField: oldMask(.array), taskFields: (760, 768, 936))
        _ = kernel.types.structure("tlb_state", [("loaded_mm", kernel.mm, 0), ("state", kernel.int, 8 * 8), ("cr4", kernel.long, 16 * 8)])
        let info = kernel.types.structure("flush_tlb_info", [("mm", kernel.mm, 0), ("start", kernel.long, 8 * 8), ("end", kernel.long, 16 * 8)])
        let request = kernel.types.pointer(to: kernel.types.const(info))
        kernel.types.function("flush_tlb_mm_range", [("mm", kernel.mm), ("start", kernel.long), ("end", kernel.long), ("vmflag", kernel.long)])
        kernel.types.function("native_flush_tlb_others", [("cpumask", kernel.mask), ("info", request)])
        kernel.types.function("flush_tlb_func_common", [("f", request), ("local", kernel.int), ("reason", kernel.int)])
        kernel.types.function("flush_tlb_func_remote", [("info", kernel.void)])
        kernel.types.function("mm_release", [("tsk", kernel.task), ("mm", kernel.mm)])
        kernel.batch()
        return kernel.types
    }

    /// The same of v5.10: is_lazy, generations, the batch's stride; enter_lazy_tlb() is a function of its own since v4.14.
    private static func kernel510() -> Types {
        var kernel = Common(maskField: { types, _, long in [("cpu_bitmap", types.array(of: long, 0), 1048 * 8)] }, taskFields: (1864, 1872, 2008))
        let (short, byte) = (kernel.types.int(2), kernel.types.int(1))
        let last = kernel.types.structure("", [("last_user_mm", kernel.mm, 0), ("last_user_mm_ibpb", kernel.long, 0)], union: true)
        _ = kernel.types.structure("tlb_state", [
            ("loaded_mm", kernel.mm, 0), ("", last, 8 * 8), ("loaded_mm_asid", short, 16 * 8), ("next_asid", short, 18 * 8), ("is_lazy", byte, 20 * 8),
        ])
        let info = kernel.types.structure("flush_tlb_info", [
            ("mm", kernel.mm, 0), ("start", kernel.long, 8 * 8), ("end", kernel.long, 16 * 8), ("new_tlb_gen", kernel.long, 24 * 8), ("stride_shift", kernel.int, 32 * 8),
            ("freed_tables", byte, 36 * 8),
        ])
        kernel.types.function("enter_lazy_tlb", [("mm", kernel.mm), ("tsk", kernel.task)])
        kernel.types.function("flush_tlb_mm_range", [("mm", kernel.mm), ("start", kernel.long), ("end", kernel.long), ("stride_shift", kernel.int), ("freed_tables", byte)])
        kernel.types.function("native_flush_tlb_others", [("cpumask", kernel.mask), ("info", kernel.types.pointer(to: kernel.types.const(info)))])
        kernel.types.function("flush_tlb_func_remote", [("info", kernel.void)])
        for name in ["mm_release", "exit_mm_release", "exec_mm_release"] { kernel.types.function(name, [("tsk", kernel.task), ("mm", kernel.mm)]) }
        kernel.batch()
        return kernel.types
    }

    private func plan(_ types: Types, cpuState: UInt64) throws -> ProbePlan {
        ProbePlan(try types.btf(), symbols: ["cpu_tlbstate": cpuState, "__per_cpu_offset": 0xffff_ffff_8250_0000], cpus: 2)
    }

    private func lines(_ plan: ProbePlan) -> [String] { plan.probes.map { "\($0.name) \($0.function) \($0.fields)" } }

    @Test func theProbesOfV4_12AreThoseOfItsSource() throws {
        let plan = try plan(Self.kernel412(), cpuState: 0x17b40)
        // arch_tlbbatch_flush() is of v4.13.
        #expect(plan.missing.map(\.name) == ["batch"])
        let own = "lm0=+97088(@__per_cpu_offset+0):x64 st0=+97096(@__per_cpu_offset+0):s32 lm1=+97088(@__per_cpu_offset+8):x64 st1=+97096(@__per_cpu_offset+8):s32"
        #expect(lines(plan) == [
            "sw_mm switch_mm_irqs_off prev=%di:x64 next=%si:x64 tsk=%dx:x64 tpid=+792(%dx):s32 nmask=+712(%si):x64 \(own)",
            "leave leave_mm cpu=%di:s32 \(own)",
            "ctxsw __switch_to prev=%di:x64 next=%si:x64 ppid=+792(%di):s32 pmm=+616(%di):x64 npid=+792(%si):s32 nmm=+616(%si):x64 namm=+624(%si):x64 \(own)",
            "fl_range flush_tlb_mm_range mm=%di:x64 start=%si:x64 end=%dx:x64 vmflag=%cx:x64 mask=+712(%di):x64 \(own)",
            "fl_func flush_tlb_func mm=+0(%di):x64 start=+8(%di):x64 end=+16(%di):x64 \(own)",
            "fl_others native_flush_tlb_others mask=+0(%di):x64 mm=%si:x64 start=%dx:x64 end=%cx:x64", "fl_all flush_tlb_all ",
            "do_fl_all do_flush_tlb_all \(own)", "idle_exit idle_task_exit ", "mm_release mm_release tsk=%di:x64 mm=%si:x64 pid=+792(%di):s32",
            "mmdrop __mmdrop mm=%di:x64",
        ])
    }

    @Test func theProbesOfV4_13AreThoseOfItsSource() throws {
        let plan = try plan(Self.kernel413(), cpuState: 0x17ac0)
        #expect(plan.missing == [])
        let own = "lm0=+96960(@__per_cpu_offset+0):x64 st0=+96968(@__per_cpu_offset+0):s32 lm1=+96960(@__per_cpu_offset+8):x64 st1=+96968(@__per_cpu_offset+8):s32"
        #expect(lines(plan) == [
            "sw_mm switch_mm_irqs_off prev=%di:x64 next=%si:x64 tsk=%dx:x64 tpid=+936(%dx):s32 nmask=+712(%si):x64 \(own)",
            "leave leave_mm cpu=%di:s32 \(own)",
            "ctxsw __switch_to prev=%di:x64 next=%si:x64 ppid=+936(%di):s32 pmm=+760(%di):x64 npid=+936(%si):s32 nmm=+760(%si):x64 namm=+768(%si):x64 \(own)",
            "fl_range flush_tlb_mm_range mm=%di:x64 start=%si:x64 end=%dx:x64 vmflag=%cx:x64 mask=+712(%di):x64 \(own)",
            "fl_remote flush_tlb_func_remote mm=+0(%di):x64 start=+8(%di):x64 end=+16(%di):x64 \(own)",
            "fl_others native_flush_tlb_others mask=+0(%di):x64 mm=+0(%si):x64 start=+8(%si):x64 end=+16(%si):x64",
            "batch arch_tlbbatch_flush batch=%di:x64 mask=+0(%di):x64 \(own)", "fl_all flush_tlb_all ", "do_fl_all do_flush_tlb_all \(own)",
            "idle_exit idle_task_exit ", "mm_release mm_release tsk=%di:x64 mm=%si:x64 pid=+936(%di):s32", "mmdrop __mmdrop mm=%di:x64",
        ])
    }

    @Test func theProbesOfV5_10AreThoseOfItsSource() throws {
        let plan = try plan(Self.kernel510(), cpuState: 0x2b540)
        #expect(plan.missing == [])
        let own = "lm0=+177472(@__per_cpu_offset+0):x64 lz0=+177492(@__per_cpu_offset+0):u8 lm1=+177472(@__per_cpu_offset+8):x64 lz1=+177492(@__per_cpu_offset+8):u8"
        #expect(lines(plan) == [
            "sw_mm switch_mm_irqs_off prev=%di:x64 next=%si:x64 tsk=%dx:x64 tpid=+2008(%dx):s32 nmask=+1048(%si):x64 \(own)",
            "leave leave_mm cpu=%di:s32 \(own)",
            "lazy enter_lazy_tlb mm=%di:x64 tsk=%si:x64 tpid=+2008(%si):s32 pidmm=+1864(%si):x64 \(own)",
            "fl_range flush_tlb_mm_range mm=%di:x64 start=%si:x64 end=%dx:x64 stride=%cx:u32 freed_tables=%r8:u8 mask=+1048(%di):x64 \(own)",
            "fl_remote flush_tlb_func_remote mm=+0(%di):x64 start=+8(%di):x64 end=+16(%di):x64 tlb_gen=+24(%di):u64 \(own)",
            "fl_others native_flush_tlb_others mask=+0(%di):x64 mm=+0(%si):x64 start=+8(%si):x64 end=+16(%si):x64 tlb_gen=+24(%si):u64",
            "batch arch_tlbbatch_flush batch=%di:x64 mask=+0(%di):x64 \(own)", "fl_all flush_tlb_all ", "do_fl_all do_flush_tlb_all \(own)",
            "idle_exit idle_task_exit ", "exit_mm_rel exit_mm_release tsk=%di:x64 mm=%si:x64 pid=+2008(%di):s32",
            "exec_mm_rel exec_mm_release tsk=%di:x64 mm=%si:x64 pid=+2008(%di):s32", "mmdrop __mmdrop mm=%di:x64",
        ])
    }

    /// CONFIG_CPUMASK_OFFSTACK: cpu_vm_mask_var points to cpumask_allocation, and is no mask itself.
    @Test func theMaskOfKernelsForManyCPUsIsTheOneThatIsPointedTo() throws {
        let plan = try plan(Self.kernel412(.allocation), cpuState: 0x17b40)
        #expect(plan.probes.first { $0.name == "sw_mm" }?.fields.contains(" nmask=+1000(%si):x64 ") == true)
        #expect(plan.probes.first { $0.name == "fl_range" }?.fields.contains(" mask=+1000(%di):x64 ") == true)
    }
}

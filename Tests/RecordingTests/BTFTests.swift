import Foundation
import Glibc
@testable import Recording
import TestSupport
import Testing

/// The reader of a kernel's types: places of fields, parameters, and what is damaged.
@Suite struct BTFTests {
    /// Types written by hand, in the form of Documentation/bpf/btf.rst.
    struct Types {
        private(set) var types = Data()
        private(set) var strings = Data([0])
        private(set) var count: UInt32 = 0
        typealias Member = (name: String, type: UInt32, bits: UInt32)

        private static func le<T: FixedWidthInteger>(_ value: T) -> Data { withUnsafeBytes(of: value.littleEndian) { Data($0) } }

        private mutating func string(_ text: String) -> UInt32 {
            if text.isEmpty { return 0 }
            defer { strings += Data(text.utf8) + [0] }
            return UInt32(strings.count)
        }

        private mutating func head(_ name: String, kind: UInt32, count number: Int = 0, flag: Bool = false, sizeOrType: UInt32) -> UInt32 {
            types += Self.le(string(name)) + Self.le(UInt32(number) | kind << 24 | (flag ? 1 << 31 : 0)) + Self.le(sizeOrType)
            count += 1
            return count
        }

        mutating func int(_ size: UInt32 = 4) -> UInt32 {
            defer { types += Self.le(size * 8) }
            return head("int", kind: 1, sizeOrType: size)
        }

        mutating func pointer(to type: UInt32) -> UInt32 { head("", kind: 2, sizeOrType: type) }
        mutating func const(_ type: UInt32) -> UInt32 { head("", kind: 10, sizeOrType: type) }
        mutating func typedef(_ name: String, _ type: UInt32) -> UInt32 { head(name, kind: 8, sizeOrType: type) }

        mutating func array(of type: UInt32, _ number: UInt32) -> UInt32 {
            let id = head("", kind: 3, sizeOrType: 0)
            types += Self.le(type) + Self.le(type) + Self.le(number)
            return id
        }

        mutating func structure(_ name: String, _ members: [Member], union: Bool = false, bitFields: Bool = false) -> UInt32 {
            let id = head(name, kind: union ? 5 : 4, count: members.count, flag: bitFields, sizeOrType: 64)
            let names = members.map { string($0.name) }
            for (member, name) in zip(members, names) { types += Self.le(name) + Self.le(member.type) + Self.le(member.bits) }
            return id
        }

        mutating func function(_ name: String, _ parameters: [(String, UInt32)]) {
            let prototype = head("", kind: 13, count: parameters.count, sizeOrType: 0)
            let names = parameters.map { string($0.0) }
            for (parameter, name) in zip(parameters, names) { types += Self.le(name) + Self.le(parameter.1) }
            _ = head(name, kind: 12, sizeOrType: prototype)
        }

        mutating func unknownKind() { _ = head("", kind: 25, sizeOrType: 0) }

        var bytes: [UInt8] {
            let header = Self.le(UInt16(0xeb9f)) + [1, 0] + Self.le(UInt32(24)) + Self.le(UInt32(0)) + Self.le(UInt32(types.count))
                + Self.le(UInt32(types.count)) + Self.le(UInt32(strings.count))
            return Array(header + types + strings)
        }

        func btf() throws -> BTF { try BTF(bytes, path: "made up") }
    }

    @Test func aFieldIsFoundThroughTypedefsAndStructuresWithoutAName() throws {
        var types = Types()
        let int = types.int()
        let inner = types.structure("", [("a", int, 0), ("b", int, 32)])
        let union = types.structure("", [("c", int, 0), ("", inner, 64)], union: true)
        let named = types.typedef("named_t", types.const(types.structure("named", [("deep", int, 96)])))
        _ = types.structure("outer", [("first", int, 0), ("", union, 128), ("field", named, 512)])
        let btf = try types.btf()
        #expect(btf.offset("outer", "first") == 0)
        #expect(btf.offset("outer", "c") == 16)
        #expect(btf.offset("outer", "b") == 16 + 8 + 4)
        #expect(btf.offset("outer", "field.deep") == 64 + 12)
        #expect(btf.offset("outer", "nothing") == nil)
        #expect(btf.offset("outer", "first.deep") == nil)
        #expect(btf.offset("nothing", "first") == nil)
    }

    @Test func bitFieldsHaveNoPlace() throws {
        var types = Types()
        let int = types.int()
        // With the flag the upper byte is the size in bits.
        _ = types.structure("flags", [("whole", int, 32), ("bit", int, 1 << 24 | 64)], bitFields: true)
        let btf = try types.btf()
        #expect(btf.offset("flags", "whole") == 4)
        #expect(btf.offset("flags", "bit") == nil)
    }

    @Test func structuresOfOneNameThatDifferTellNothing() throws {
        var types = Types()
        let int = types.int()
        _ = types.structure("same", [("x", int, 0), ("y", int, 32)])
        _ = types.structure("same", [("x", int, 0), ("y", int, 64)])
        let btf = try types.btf()
        #expect(btf.offset("same", "x") == 0)
        #expect(btf.offset("same", "y") == nil)
    }

    @Test func cyclesEnd() throws {
        var types = Types()
        // Type 1 is a typedef of type 2, which is one of type 1.
        _ = types.typedef("a", 2)
        _ = types.typedef("b", 1)
        // Type 3 has itself inside, a thousand times.
        _ = types.structure("self", (0..<1000).map { _ in ("", 3, 0) })
        _ = types.structure("holder", [("a", 1, 0)])
        let btf = try types.btf()
        #expect(btf.offset("self", "x") == nil)
        #expect(btf.offset("holder", "a.x") == nil)
        #expect(!btf.isScalar(1))
    }

    @Test func parametersHaveTheirNamesAndTypes() throws {
        var types = Types()
        let mm = types.structure("mm_struct", [])
        let pointer = types.pointer(to: types.const(mm))
        types.function("f", [("mm", pointer), ("count", types.int(8)), ("value", mm)])
        let btf = try types.btf()
        let list = try #require(btf.parameters("f"))
        #expect(list.map(\.name) == ["mm", "count", "value"])
        #expect(list.map { btf.isScalar($0.type) } == [true, true, false])
        #expect(btf.isPointer(list[0].type, to: "mm_struct") && !btf.isPointer(list[0].type, to: "task_struct") && !btf.isPointer(list[1].type, to: "mm_struct"))
        #expect(btf.parameters("g") == nil)
    }

    @Test func aKindThatIsNotKnownIsAnError() {
        var types = Types()
        types.unknownKind()
        #expect(throws: RecordingError("made up: no BTF that can be used: type 1 is of kind 25, which is not known")) { try types.btf() }
    }

    /// Whatever is cut off or changed gives an answer or an error, and comes to an end.
    @Test func damageIsNoCrash() throws {
        var types = Types()
        let int = types.int()
        let inner = types.structure("inner", [("x", int, 0)])
        _ = types.structure("outer", [("", inner, 0), ("y", types.array(of: int, 4), 64)])
        types.function("f", [("a", int)])
        let whole = types.bytes
        func read(_ bytes: [UInt8]) {
            guard let btf = try? BTF(bytes, path: "") else { return }
            _ = btf.offset("outer", "x")
            _ = btf.isArray("outer", "y")
            _ = btf.parameters("f")?.map { btf.isScalar($0.type) }
        }
        for end in whole.indices { read(Array(whole[..<end])) }
        for place in whole.indices {
            for value: UInt8 in [0, 1, 0x7f, 0x80, 0xff] {
                var bytes = whole
                bytes[place] = value
                read(bytes)
            }
        }
        #expect(try types.btf().offset("outer", "x") == 0)
    }

    @Test func anELFFileIsToldHowToTakeItOut() {
        #expect(throws: RecordingError.self) { try BTF([0x7f, 0x45, 0x4c, 0x46] + [UInt8](repeating: 0, count: 100), path: "vmlinux") }
    }

    /// bpftool is not needed for this: struct list_head is the same in all kernels of 64 bits, and these functions are asked for.
    @Test(.enabled(if: access("/sys/kernel/btf/vmlinux", R_OK) == 0, "the running kernel has no BTF")) func theRunningKernelsTypesAreRead() throws {
        let btf = try BTF([UInt8](Data(contentsOf: URL(fileURLWithPath: "/sys/kernel/btf/vmlinux"))), path: "vmlinux")
        #expect(btf.offset("list_head", "prev") == 8)
        #expect(btf.offset("task_struct", "mm") != nil && btf.offset("task_struct", "active_mm") == btf.offset("task_struct", "mm").map { $0 + 8 })
        #expect(btf.parameters("schedule")?.isEmpty == true)
    }

    @Test func addressesAreThoseOfTheWholeName() throws {
        try withFolder { folder in
            let lines = "0000000000000000 A fixed\n000000000002b540 D cpu_tlbstate\nffffffff81000000 T x_cpu_tlbstate\nffffffff82500000 R __per_cpu_offset\nffffffffc0000000 t cpu_tlbstate_shared\t[mod]\nbroken"
            try Data(lines.utf8).write(to: URL(fileURLWithPath: folder + "/kallsyms"))
            #expect(ProbeEvents.addresses(folder + "/kallsyms") == ["cpu_tlbstate": 0x2b540, "__per_cpu_offset": 0xffff_ffff_8250_0000])
            #expect(ProbeEvents.addresses(folder + "/nothing") == [:])
        }
    }

    // MARK: what is made of it

    /// Types of a kernel like Debian's 6.1, with the places that its truth recordings were made with.
    static func kernel61(previous: String = "prev", maskField: String = "cpu_bitmap", entersLazyInline: Bool = false) -> Types {
        var types = Types()
        let (int, long) = (types.int(), types.int(8))
        let mask = types.pointer(to: types.structure("cpumask", []))
        let mm = types.pointer(to: types.structure("mm_struct", [(maskField, types.array(of: long, 0), 1096 * 8)]))
        let task = types.pointer(to: types.structure("task_struct", [("mm", mm, 2272 * 8), ("active_mm", mm, 2280 * 8), ("pid", int, 2416 * 8)]))
        let info = types.pointer(to: types.structure("flush_tlb_info", [
            ("mm", mm, 0), ("start", long, 64), ("end", long, 128), ("new_tlb_gen", long, 192), ("initiating_cpu", int, 256), ("freed_tables", types.int(1), 37 * 8),
        ]))
        let batch = types.pointer(to: types.structure("arch_tlbflush_unmap_batch", [("cpumask", types.structure("cpumask", []), 0)]))
        _ = types.structure("tlb_state", [("loaded_mm", mm, 0)])
        _ = types.structure("tlb_state_shared", [("is_lazy", types.int(1), 0)])
        types.function("switch_mm_irqs_off", [(previous, mm), ("next", mm), ("tsk", task)])
        types.function("leave_mm", [("cpu", int)])
        if !entersLazyInline { types.function("enter_lazy_tlb", [("mm", mm), ("tsk", task)]) }
        types.function("__switch_to", [("prev_p", task), ("next_p", task)])
        types.function("flush_tlb_mm_range", [("mm", mm), ("start", long), ("end", long), ("stride_shift", int), ("freed_tables", types.int(1))])
        types.function("flush_tlb_func", [("info", types.pointer(to: 0))])
        types.function("native_flush_tlb_multi", [("cpumask", mask), ("info", info)])
        types.function("arch_tlbbatch_flush", [("batch", batch)])
        for name in ["flush_tlb_all", "idle_task_exit"] { types.function(name, []) }
        types.function("do_flush_tlb_all", [("info", types.pointer(to: 0))])
        for name in ["exit_mm_release", "exec_mm_release"] { types.function(name, [("tsk", task), ("mm", mm)]) }
        types.function("__mmdrop", [("mm", mm)])
        return types
    }

    static let symbols: [String: UInt64] = ["cpu_tlbstate": 0x31540, "cpu_tlbstate_shared": 0x31600, "__per_cpu_offset": 0xffff_ffff_8250_0000]

    private func plan(_ types: Types, symbols: [String: UInt64] = symbols, cpus: Int = 2) throws -> ProbePlan { ProbePlan(try types.btf(), symbols: symbols, cpus: cpus) }

    @Test func theProbesOfDebians61AreThoseOfItsTruthRecordings() throws {
        let plan = try plan(Self.kernel61())
        #expect(plan.missing == [])
        // shared/traces/debian6.1-*-truth.kprobes.txt, with the CPU's own state by way of __per_cpu_offset instead of by address.
        let own = "lm0=+202048(@__per_cpu_offset+0):x64 lz0=+202240(@__per_cpu_offset+0):u8 lm1=+202048(@__per_cpu_offset+8):x64 lz1=+202240(@__per_cpu_offset+8):u8"
        let wanted = [
            "sw_mm switch_mm_irqs_off prev=%di:x64 next=%si:x64 tsk=%dx:x64 tpid=+2416(%dx):s32 nmask=+1096(%si):x64 \(own)",
            "leave leave_mm cpu=%di:s32 \(own)",
            "lazy enter_lazy_tlb mm=%di:x64 tsk=%si:x64 tpid=+2416(%si):s32 pidmm=+2272(%si):x64 \(own)",
            "fl_range flush_tlb_mm_range mm=%di:x64 start=%si:x64 end=%dx:x64 stride=%cx:u32 freed_tables=%r8:u8 mask=+1096(%di):x64 \(own)",
            "fl_func flush_tlb_func mm=+0(%di):x64 start=+8(%di):x64 end=+16(%di):x64 tlb_gen=+24(%di):u64 init_cpu=+32(%di):u32 \(own)",
            "fl_multi native_flush_tlb_multi mask=+0(%di):x64 mm=+0(%si):x64 start=+8(%si):x64 end=+16(%si):x64 tlb_gen=+24(%si):u64",
            "batch arch_tlbbatch_flush batch=%di:x64 mask=+0(%di):x64 \(own)", "fl_all flush_tlb_all ", "do_fl_all do_flush_tlb_all \(own)",
            "idle_exit idle_task_exit ", "exit_mm_rel exit_mm_release tsk=%di:x64 mm=%si:x64 pid=+2416(%di):s32",
            "exec_mm_rel exec_mm_release tsk=%di:x64 mm=%si:x64 pid=+2416(%di):s32", "mmdrop __mmdrop mm=%di:x64",
        ]
        #expect(plan.probes.map { "\($0.name) \($0.function) \($0.fields)" } == wanted)
    }

    /// v6.10 and later: what is passed for a parameter that is not used is not read.
    @Test func aSwitchThatIsNotToldThePreviousMMIsProbedWithoutThat() throws {
        let plan = try plan(Self.kernel61(previous: "unused"), symbols: [:])
        #expect(plan.missing.map(\.name) == ["fields lm, lz"])
        #expect(plan.probes.first { $0.name == "sw_mm" }?.fields == "next=%si:x64 tsk=%dx:x64 tpid=+2416(%dx):s32 nmask=+1096(%si):x64")
    }

    /// So in v7.3: mm_cpumask() is the first part of flexible_array, enter_lazy_tlb() is inline, and __switch_to() must not be probed.
    @Test func whereBecomingLazyCannotBeProbedTheOtherProbesTell() throws {
        let plan = try plan(Self.kernel61(previous: "unused", maskField: "flexible_array", entersLazyInline: true))
        #expect(plan.missing == [])
        #expect(plan.probes.allSatisfy { $0.name != "lazy" && $0.name != "ctxsw" })
        #expect(plan.probes.first { $0.name == "sw_mm" }?.fields.contains("nmask=+1096(%si):x64") == true)
    }

    @Test func withoutAddressesTheCPUsOwnStateIsLeftOut() throws {
        for symbols in [[:], ["cpu_tlbstate": 0, "__per_cpu_offset": 0]] as [[String: UInt64]] {
            let plan = try plan(Self.kernel61(), symbols: symbols)
            #expect(plan.missing.map(\.name) == ["fields lm, lz"])
            #expect(plan.missing[0].reason.contains("/proc/kallsyms"))
            #expect(plan.probes.allSatisfy { !$0.fields.contains("lm0") })
        }
    }

    /// docs/recording.md.
    @Test(arguments: [16, 17]) func onMoreThan16CPUsTheirOwnStateIsLeftOut(cpus: Int) throws {
        let plan = try plan(Self.kernel61(), cpus: cpus)
        #expect(plan.missing.map(\.name) == (cpus > 16 ? ["fields lm, lz"] : []))
        for cpu in 0..<17 { #expect(plan.probes[0].fields.contains(" lm\(cpu)=") == (cpus == 16 && cpu < 16)) }
    }

    /// Since v6.15 per-CPU addresses are those of the kernel's image: above the middle of the numbers.
    @Test func perCPUAddressesOfTheImageAreNegative() throws {
        var symbols = Self.symbols
        symbols["cpu_tlbstate"] = 0xffff_ffff_8300_0000
        #expect(try plan(Self.kernel61(), symbols: symbols).probes[0].fields.contains("lm1=-2097152000(@__per_cpu_offset+8):x64"))
    }

    @Test func typesThatTellNothingLeaveNoProbe() throws {
        let plan = try plan(Types())
        #expect(plan.probes == [])
        #expect(Set(plan.missing.map(\.name)) == ["fields lm, lz", "sw_mm", "leave", "fl_range", "fl_func", "fl_multi", "batch", "fl_all", "do_fl_all", "idle_exit", "mm_release", "mmdrop"])
        #expect(plan.missing.allSatisfy { !$0.reason.isEmpty && !$0.cost.isEmpty })
    }

    @Test(.enabled(if: Tracefs.isUsable && access(Tracefs.path + "/kprobe_events", F_OK) != 0, "this kernel has kprobes, or no recording can be made"))
    func withoutKprobesItSaysSoAndRecords() throws {
        try withFolder { folder in
            let result = try Program.lazytlb("record", "--probes", "-o", folder + "/a.dat", "--", "true")
            #expect(result.status == 0)
            #expect(result.errors.contains("recording without probes: the kernel has no probe events (CONFIG_KPROBE_EVENTS)"))
            #expect(try files(in: folder) == ["a.dat"])
        }
    }
}

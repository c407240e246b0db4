import Testing
import TraceSynth

@testable import TraceData

/// Event formats of kernels that no recording is of, with records made by hand.
@Suite struct FormatTests {
    static let common = """
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
        \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
        \tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;


        """

    static func format(_ name: String, id: Int, _ fields: String, print: String = "\"\"") -> String {
        "name: \(name)\nID: \(id)\nformat:\n\(common)\(fields)\n\nprint fmt: \(print)\n"
    }

    static func formats(_ list: [(system: String, text: String)], bigEndian: Bool = false) -> EventFormats {
        let bytes = list.map { Array($0.text.utf8) }
        func build(_ index: Int, _ sources: [EventFormats.Source]) -> EventFormats {
            guard index < list.count else { return EventFormats(sources, bigEndian: bigEndian, longSize: 8) }
            return bytes[index].withUnsafeBytes { build(index + 1, sources + [.init(system: list[index].system, text: $0)]) }
        }
        return build(0, [])
    }

    static func with<R>(_ data: [UInt8], id: UInt16, kind: Record.Kind, _ body: (Record) -> R) -> R {
        let bytes = [UInt8(id & 255), UInt8(id >> 8), 0, 0, 1, 0, 0, 0] + data
        return bytes.withUnsafeBytes { raw in
            var record = Record.none
            record.data = raw
            record.eventID = id
            record.kind = kind
            record.cpu = 1
            return body(record)
        }
    }

    static func le(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) } }

    @Test func aForkWithDynamicNamesIsDecoded() {
        // sched_process_fork since 6.17: names are __data_loc strings.
        let text = Self.format(
            "sched_process_fork", id: 300,
            """
            \tfield:__data_loc char[] parent_comm;\toffset:8;\tsize:4;\tsigned:0;
            \tfield:pid_t parent_pid;\toffset:12;\tsize:4;\tsigned:1;
            \tfield:__data_loc char[] child_comm;\toffset:16;\tsize:4;\tsigned:0;
            \tfield:pid_t child_pid;\toffset:20;\tsize:4;\tsigned:1;
            """)
        let formats = Self.formats([("sched", text)])
        let data = Self.le(24 | 4 << 16) + Self.le(7) + Self.le(28 | 4 << 16) + Self.le(8) + Array("sh\0\0wl\0x".utf8)
        let fork = Self.with(data, id: 300, kind: .fork) { formats.fork($0) }
        #expect(fork == Fork(parentPID: 7, childPID: 8, parentComm: "sh", childComm: "wl"))
    }

    @Test func aDynamicStringThatPointsOutsideIsCutOff() {
        let text = Self.format(
            "sched_process_exec", id: 300,
            """
            \tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;
            \tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;
            \tfield:pid_t old_pid;\toffset:16;\tsize:4;\tsigned:1;
            """)
        let formats = Self.formats([("sched", text)])
        for (word, expected) in [(20 | 0xffff << 16, "ab"), (0xffff | 9 << 16, "")] as [(UInt32, String)] {
            let exec = Self.with(Self.le(word) + Self.le(5) + Self.le(6) + Array("ab".utf8), id: 300, kind: .exec) { formats.exec($0) }
            #expect(exec == Exec(pid: 5, oldPID: 6, filename: expected))
        }
    }

    @Test func aRenameWithoutPidHasNone() {
        let text = Self.format(
            "task_rename", id: 9,
            """
            \tfield:char oldcomm[16];\toffset:8;\tsize:16;\tsigned:0;
            \tfield:char newcomm[16];\toffset:24;\tsize:16;\tsigned:0;
            """)
        let formats = Self.formats([("task", text)])
        let data = Array("0123456789abcdef".utf8) + Array("new\0rubbish.....".utf8)
        let rename = Self.with(data, id: 9, kind: .rename) { formats.rename($0) }
        #expect(rename == Rename(pid: nil, oldComm: "0123456789abcdef", newComm: "new"))
    }

    @Test func aFormatThatIsRubbishDoesNotLoseTheOthers() {
        let flush = Self.format(
            "tlb_flush", id: 5,
            "\tfield:int reason;\toffset:8;\tsize:4;\tsigned:1;\n\tfield:unsigned long pages;\toffset:16;\tsize:8;\tsigned:0;",
            print: "\"pages:%ld reason:%s (%d)\", REC->pages, __print_something_new(REC->reason, ((((")
        for rubbish in ["", "name:", "name: x\nID: y\nformat:\n\tfield:;", "\0\0\0", "name: x\nID: 77777777\nformat:\n", String(repeating: "(", count: 5000)] {
            let formats = Self.formats([("a", rubbish), ("tlb", flush), ("b", rubbish)])
            #expect(formats.events.map(\.name) == ["tlb_flush"], "\(rubbish)")
            #expect(formats.event(5)?.kind == .tlbFlush)
        }
    }

    @Test func noFormatTextCrashesTheLibrary() {
        let good = Array(
            Self.format(
                "sched_process_exec", id: 300,
                "\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;\n\tfield:u64 args[(2 + 4)];\toffset:16;\tsize:48;\tsigned:0;"
            ).utf8)
        var random = SplitMix64(seed: 5)
        let interesting = Array("[]();:,*\"'\\%{}<>\n\t \0x0".utf8)
        var parsed = 0
        for _ in 0..<4000 {
            var text = good
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<text.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: text[place] = interesting.randomElement(using: &random)!
                case 1: text.remove(at: place)
                case 2: text.insert(interesting.randomElement(using: &random)!, at: place)
                default: text.removeLast(min(place, text.count - 1))
                }
            }
            text.withUnsafeBytes { raw in
                let formats = EventFormats([.init(system: "sched", text: raw)], bigEndian: false, longSize: 8)
                parsed += formats.events.count
            }
        }
        #expect(parsed > 100)
    }

    @Test func textThatTheLibraryCannotTakeIsRefused() {
        // libtraceevent 1.7.1 follows a null pointer here.
        for field in ["\tfield:char a[", "\tfield:char a[8", "\tfield:;", "\tfield:char [8];", "\tfield:char \"a\";", "\tfield:a b;\toffset:;"] {
            let formats = Self.formats([("x", "name: x\nID: 7\nformat:\n" + field)])
            #expect(formats.events.isEmpty)
            #expect(formats.refused.count == 1)
        }
    }

    /// Records of an event without a format would be missing from the result without a word.
    @Test func aFormatIsNeededIfTheReplayReadsItsEventOrIfItCannotBeTold() {
        let broken = "\nID: 7\nformat:\n\tfield:char a["
        for (system, name, isNeeded) in [
            ("sched", "name: sched_switch", true), ("task", "name: task_newtask", true), ("kprobes", "name: sw_mm", true), ("sched", "nam: sched_switch", true),
            ("sched", "name: sched_wakeup", false), ("irq", "name: sched_switch", false),
        ] {
            let formats = Self.formats([(system, name + broken)])
            #expect(formats.refused.map(\.isNeeded) == [isNeeded], "\(system) \(name)")
        }
    }

    @Test func aKnownEventWithoutItsFieldsIsNotTakenForIt() {
        let text = Self.format("sched_switch", id: 5, "\tfield:int prev_pid;\toffset:8;\tsize:4;\tsigned:1;")
        let formats = Self.formats([("sched", text)])
        #expect(formats.layout.entries[5].kind == .other)
        #expect(formats.refused.contains { $0.error.cause.contains("next_pid") })
    }

    @Test func probesAreKnownByNameInAnySystem() {
        let probe = "\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n\tfield:u64 mm;\toffset:16;\tsize:8;\tsigned:0;"
        let plain = "\tfield:u64 mm;\toffset:16;\tsize:8;\tsigned:0;"
        let formats = Self.formats([
            ("kprobes", Self.format("mmdrop", id: 1, probe)), ("mygroup", Self.format("mmdrop", id: 2, probe)),
            ("xen", Self.format("batch", id: 3, plain)), ("sched", Self.format("sched_switch2", id: 4, plain)),
        ])
        #expect(formats.events.map(\.kind) == [.mmDrop, .mmDrop, .other, .other])
    }

    @Test func integersAreShownAsThePrintFormatShowsThem() {
        func style(_ name: String, _ text: String) -> EventFormats.IntegerStyle? {
            Array(text.utf8).withUnsafeBytes { PrintFormat.styles(of: [name], in: $0)[name] }
        }
        #expect(style("pages", "print fmt: \"pages:%ld reason:%s (%d)\"") == .signed)
        #expect(style("mm", "\"(%lx) lmm=%d mm=0x%Lx\"") == .hex)
        #expect(style("pid", "\"ppid=%x pid=%d\"") == .signed)
        #expect(style("vec", "\"vec=%u [action=%s]\"") == .unsigned)
        #expect(style("none", "\"vec=%u\"") == nil)
        #expect(style("vec", "\"vec=%") == nil)
    }
}

@Suite struct CommTests {
    @Test func bytesBehindTheFirstNULAreRubbish() {
        #expect(Comm([0x61, 0, 0x62]) == "a")
        let sixteen = Array("abc\0defghijklmno".utf8)
        #expect(sixteen.withUnsafeBytes { Comm(sixteen: $0.baseAddress!) } == "abc")
    }

    @Test func allSixteenBytesMayBeUsed() {
        let full = Array("0123456789abcdef".utf8)
        #expect(full.withUnsafeBytes { Comm(sixteen: $0.baseAddress!) }.description == "0123456789abcdef")
        #expect(Comm(full + [0x67]).bytes == full)
    }

    @Test(arguments: 0...16)
    func bothWaysOfMakingOneAgree(length: Int) {
        var bytes = [UInt8](repeating: 0xff, count: 16)
        if length < 16 { bytes[length] = 0 }
        #expect(bytes.withUnsafeBytes { Comm(sixteen: $0.baseAddress!) } == Comm(bytes))
        #expect(Comm(bytes).bytes.count == length)
    }

    @Test func whatIsNotUTF8ShowsAsBytes() {
        #expect(Comm([0x61, 0xff, 0x62]).description == "a\\xFFb")
    }
}

import Foundation
import Glibc
@testable import Recording
import TestSupport
import Testing

/// What stands in the way of a recording, and that the message says what to do: on copies of what tracefs looks like.
@Suite struct MessageTests {
    /// A folder that looks like the tracefs of a kernel with these events.
    private func withFake<R>(_ events: [String], clocks: String = "[local] global mono\n", _ body: (String) throws -> R) throws -> R {
        try withFolder { folder in
            func put(_ path: String, _ text: String) throws {
                let path = URL(fileURLWithPath: "\(folder)/\(path)")
                try FileManager.default.createDirectory(at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(text.utf8).write(to: path)
            }
            try FileManager.default.createDirectory(atPath: folder + "/instances", withIntermediateDirectories: true)
            try put("trace_clock", clocks)
            try put("events/header_page", "")
            try put("per_cpu/cpu0/stats", "")
            for event in events { try put("events/\(event.replacingOccurrences(of: ":", with: "/"))/format", "") }
            return try body(folder)
        }
    }

    private static let all = EventChoice.wanted.map(\.description)

    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no error"
        } catch { return "\(error)" }
    }

    private func recorder(_ path: String, _ options: RecordingOptions = RecordingOptions(), machine: String = "x86_64") throws -> Recorder {
        try Recorder(try TraceFS(path: path, mounts: "", machine: machine, release: "4.12.0"), options)
    }

    @Test func withoutAMountItSaysHowToMount() throws {
        try withFolder { folder in
            let text = message { _ = try TraceFS(mounts: "/dev/null", usual: folder) }
            #expect(text == "tracefs is not mounted; as root: mount -t tracefs nodev \(folder)")
        }
    }

    @Test func withoutFtraceItSaysSo() {
        let text = message { _ = try TraceFS(mounts: "/dev/null", usual: "/nowhere/tracing") }
        #expect(text.hasPrefix("no tracefs: this kernel has no ftrace (CONFIG_TRACING), or the container hides /sys/kernel"))
    }

    @Test func theTableOfMountsTellsWhere() throws {
        try withFake(Self.all) { fake in
            let odd = fake + "/with space"
            try FileManager.default.createDirectory(atPath: odd + "/instances", withIntermediateDirectories: true)
            try FileManager.default.createDirectory(atPath: odd + "/events", withIntermediateDirectories: true)
            let mounts = fake + "/mounts"
            let line = "nodev \(odd.replacingOccurrences(of: " ", with: "\\040")) tracefs rw,relatime 0 0\n"
            try Data("proc /proc proc rw 0 0\n\(line)".utf8).write(to: URL(fileURLWithPath: mounts))
            #expect(try TraceFS(mounts: mounts).path == odd)
        }
    }

    @Test func withoutRightsItSaysWhoHasThem() throws {
        try withFake(Self.all) { fake in
            let tracefs = try TraceFS(path: fake, mounts: "")
            for code in [EACCES, EPERM] {
                #expect(
                    tracefs.noAccess(code).description
                        == "no permission for \(fake); record as root (sudo lazytlb record …)")
            }
            #expect(tracefs.noAccess(EROFS).description == "\(fake) is mounted read-only; as root: mount -o remount,rw \(fake)")
            #expect(tracefs.noAccess(ENOENT).description.hasSuffix("recording needs instances, which Linux has since 3.10"))
        }
    }

    /// As another user than root, where the tests run as root.
    @Test(.enabled(if: geteuid() == 0 && access("/usr/bin/setpriv", X_OK) == 0, "needs root and setpriv"))
    func aUserWithoutRightsIsToldSo() throws {
        try withFake(Self.all) { fake in
            chmod(fake, 0o755)
            chmod(fake + "/instances", 0o700)
            // Copied to where everybody may run it.
            let program = fake + "/lazytlb"
            try FileManager.default.copyItem(atPath: Program.lazytlb, toPath: program)
            let result = try Program.run("/usr/bin/setpriv", "--reuid", "65534", "--clear-groups", program, "record", "--tracefs", fake, "--", "true")
            #expect(result.status == 2)
            #expect(result.errors.contains("lazytlb: no permission for \(fake); record as root"), "\(result.errors)")
        }
    }

    @Test func aFolderThatIsNoTracefsIsRefused() throws {
        try withFolder { folder in
            let result = try Program.lazytlb("record", "--tracefs", folder, "-o", folder + "/a.dat", "--", "true")
            #expect(result.status == 2)
            #expect(result.errors == "lazytlb: \(folder) is no tracefs: it has no instances\n")
            #expect(try files(in: folder) == [])
        }
    }

    @Test func anotherMachineThanX86HasNothingToReplay() throws {
        try withFake(Self.all) { fake in
            let text = message { _ = try recorder(fake, machine: "aarch64") }
            #expect(text.hasPrefix("this machine is aarch64: only x86 has tlb:tlb_flush events"))
        }
    }

    @Test func aKernelWithoutTlbFlushCannotBeRecorded() throws {
        try withFake(Self.all.filter { $0 != "tlb:tlb_flush" }) { fake in
            let text = message { _ = try recorder(fake) }
            #expect(text.hasPrefix("the kernel 4.12.0 has no event tlb:tlb_flush (without it neither flushes nor loads of CR3 are known); it needs"))
        }
    }

    @Test func eachMissingEventSaysWhatItCosts() throws {
        try withFake(["sched:sched_switch", "tlb:tlb_flush"]) { fake in
            let missing = try recorder(fake).events.missing
            #expect(missing.map(\.description) == ["task:task_newtask", "task:task_rename", "sched:sched_process_exec", "sched:sched_process_exit"])
            #expect(missing.allSatisfy { !$0.cost.isEmpty && !$0.isNecessary })
        }
    }

    // MARK: clocks

    private static let clocks = "[local] global counter uptime perf mono mono_raw boot x86-tsc\n"

    @Test func theClockIsMonoUnlessTimeHasTooFewTicks() throws {
        for (source, name) in [("tsc\n", "mono"), ("kvm-clock\n", "mono"), ("hpet\n", "mono"), ("jiffies\n", "global"), ("refined-jiffies\n", "global")] {
            #expect(try ClockChoice(nil, known: Self.clocks, source: source).name == name)
        }
        #expect(try ClockChoice(nil, known: "[local] global\n", source: "tsc\n").name == "global")
    }

    @Test func aClockThatTheKernelHasNotIsRefusedWithThoseThatItHas() throws {
        let text = message { _ = try ClockChoice("tai", known: Self.clocks, source: "tsc") }
        #expect(text == "the kernel has no clock \"tai\"; it has local, global, counter, uptime, perf, mono, mono_raw, boot, x86-tsc")
    }

    @Test func clocksThatSpoilTheOrderAreWarnedOf() throws {
        func warnings(_ name: String, _ source: String) throws -> Int { try ClockChoice(name, known: Self.clocks, source: source).warnings.count }
        #expect(try warnings("mono", "tsc\n") == 0)
        #expect(try warnings("mono", "hpet\n") == 1)
        #expect(try warnings("local", "tsc\n") == 0)
        #expect(try warnings("local", "hpet\n") == 1)
        for clock in ["counter", "uptime", "x86-tsc"] { #expect(try warnings(clock, "tsc\n") == 1) }
    }

    // MARK: the command line

    @Test(arguments: [
        (["--seconds", "0"], "--seconds is a number above 0"), (["--seconds", "nan"], "--seconds is a number above 0"),
        (["--seconds", "1e9999"], "--seconds is at most 1000000000"), (["--seconds", "1000000001"], "--seconds is at most 1000000000"), (["--file-version", "5"], "--file-version is 6 or 7"),
        (["--file-version", "6", "--compression", "zstd"], "version 6 of trace.dat has no compression"),
        (["-o", "-"], "a trace.dat file cannot be written to standard output"), (["-o", ""], "-o names a file"), (["--buffer-size", "0"], "--buffer-size"),
        (["--buffer-size", "99999999999G"], "--buffer-size"),
    ])
    func aBadOptionIsRefused(arguments: [String], text: String) throws {
        let result = try Program.run(Program.lazytlb, with: ["record"] + arguments)
        #expect(result.status == 2)
        #expect(result.errors.contains(text), "\(result.errors)")
    }

    @Test func aPipeIsNoPlaceForTheFile() throws {
        try withFolder { folder in
            #expect(mkfifo(folder + "/pipe", 0o600) == 0)
            let result = try Program.lazytlb("record", "-o", folder + "/pipe", "--", "true")
            #expect(result.status == 2)
            #expect(result.errors.contains("\(folder)/pipe: a trace.dat file cannot be written to a pipe"), "\(result.errors)")
        }
    }

    @Test func theBufferIsSizedByTheMemory() {
        #expect(BufferSize.standard(cpus: 4, memory: 16 << 30) == 8192)
        #expect(BufferSize.standard(cpus: 64, memory: 8 << 30) == 4096)
        #expect(BufferSize.standard(cpus: 512, memory: 1 << 30) == 256)
    }

    @Test func theSizeOfASubbufferIsThatOfItsHeaderAndData() {
        let page = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
        #expect(subbufferSize(page + "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n") == 4096)
        #expect(subbufferSize(page) == nil)
        #expect(subbufferSize(page + "\tfield: char data;\toffset:16;\tsize:99999999999999999999;\tsigned:1;\n") == nil)
        #expect(subbufferSize(page + "\tfield: char data;\toffset:16;\tsize:-1;\tsigned:1;\n") == nil)
    }
}

import Foundation
import Glibc
import Recording
import TestSupport
import Testing
import TraceData

/// `lazytlb record` on a machine with tracefs: what is in the file, and that nothing is left behind, whatever happens.
@Suite(.serialized, .enabled(if: Tracefs.isUsable, "\(Tracefs.reason)")) struct RecordTests {
    static let storm = Program.built("storm")

    func record(_ arguments: String...) throws -> Program.Result { try Program.run(Program.lazytlb, with: ["record"] + arguments) }

    /// Records of each CPU, by our reader.
    func records(_ path: String) throws -> [Int: Int] {
        let file = try TraceFile(path: path)
        var counts: [Int: Int] = [:]
        for stream in file.streams() {
            var record = Record.none
            while try stream.next(&record) { if record.kind != .lost { counts[Int(record.cpu), default: 0] += 1 } }
        }
        return counts
    }

    @Test(arguments: [[], ["--file-version", "6"], ["--compression", "none"]])
    func aStormIsRecordedWithoutLoss(options: [String]) throws {
        try withFolder { folder in
            let path = folder + "/storm.dat"
            let enabled = Tracefs.enabledEvents
            let result = try Program.run(Program.lazytlb, with: ["record", "-o", path] + options + ["--", Self.storm, "4", "2000"])
            #expect(result.status == 0, "\(result.errors)")
            #expect(try files(in: folder) == ["storm.dat"])
            #expect(Tracefs.enabledEvents == enabled)
            let file = try TraceFile(path: path)
            #expect(file.buffer.clock.name == "mono")
            // What the kernel says was read is there, record by record.
            let counts = try records(path)
            #expect(!file.cpuStats.isEmpty && file.cpuStats.allSatisfy { $0.overrun == 0 && $0.dropped == 0 && $0.entries == 0 })
            for stats in file.cpuStats { #expect(counts[Int(stats.cpu), default: 0] == Int(stats.read)) }
            // Each munmap() is a flush, which has a record at least.
            let flushes = try Program.lazytlb("events", path).text.split(separator: "\n").count { $0.contains(": tlb_flush: ") && $0.contains("storm-") }
            #expect(flushes >= 4 * 2000)
            if Program.hasTraceCmd {
                let lines = try Program.run("/bin/sh", "-c", "trace-cmd report -R \"$0\" 2>/dev/null | grep -vc '^cpus='", path)
                #expect(lines.text == "\(counts.values.reduce(0, +))\n")
            }
            let report = try Program.lazytlb("report", path)
            #expect(report.status == 0 && report.text.contains("storm"))
        }
    }

    @Test(.enabled(if: TaskSnapshot.hindrance() == nil, "needs the initial pid namespace"))
    func theTasksOfTheStartAreInTheTrace() throws {
        try withFolder { folder in
            let path = folder + "/tasks.dat"
            // A command by a path of its own: others on the machine run programs meanwhile.
            let command = folder + "/command"
            try FileManager.default.copyItem(atPath: "/bin/true", toPath: command)
            #expect(try record("-o", path, "--", command).status == 0)
            let events = try Program.lazytlb("events", path).text
            #expect(events.contains("lazytlb-tasks 1 begin"))
            // kthreadd, and what runs the tests.
            #expect(events.contains("lazytlb-tasks 1 kernel 2 "))
            // The command has its old mm in the snapshot: its exec must come behind it.
            let end = try #require(events.range(of: "lazytlb-tasks 1 end"))
            let exec = try #require(events.range(of: "filename=\(command) "))
            #expect(end.upperBound < exec.lowerBound)
            let report = try Program.lazytlb("report", "--format", "json", path).text
            #expect(report.contains("\"snapshot\""))
            #expect(!report.contains("look like a snapshot"))
            let without = folder + "/without.dat"
            #expect(try record("-o", without, "--no-tasks", "--", "true").status == 0)
            #expect(try !Program.lazytlb("events", without).text.contains("lazytlb-tasks"))
        }
    }

    @Test func theCommandWritesLinesIntoTheRecording() throws {
        try withFolder { folder in
            let path = folder + "/lines.dat"
            let script = "echo bench begin > \"$LAZYTLB_TRACE_MARKER\"; \"$0\" 2 300; echo bench end > \"$LAZYTLB_TRACE_MARKER\""
            let result = try record("-o", path, "--", "sh", "-c", script, Self.storm)
            #expect(result.status == 0 && !result.errors.contains("ended with status"), "\(result.errors)")
            struct Report: Decodable {
                struct Trace: Decodable { var duration_ns: UInt64 }
                struct Recorded: Decodable { var local_mm_shootdowns: Int }
                var trace: Trace
                var recorded: Recorded
            }
            func report(_ options: String...) throws -> Report {
                try JSONDecoder().decode(Report.self, from: try Program.run(Program.lazytlb, with: ["report", "--format", "json", path] + options).output)
            }
            let (whole, part) = (try report(), try report("--from-marker", "bench begin", "--to-marker", "bench end"))
            #expect(part.trace.duration_ns < whole.trace.duration_ns)
            // Each munmap() is a flush.
            #expect(part.recorded.local_mm_shootdowns >= 600)
        }
    }

    /// Each CPU that the recorder may run on has records of its child: of a switch to or from it, or of what it does there.
    @Test func eachCPUIsVisited() throws {
        try withFolder { folder in
            let path = folder + "/visit.dat"
            let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
            let allowed = try #require(status.firstMatch(of: #/Cpus_allowed:\s+([0-9a-f,]+)/#)?.1).compactMap(\.hexDigitValue).reduce(0) { $0 + $1.nonzeroBitCount }
            // A CPU with much else to do may be given up after half a second.
            var visits: Set<Substring> = []
            for _ in 0..<4 where visits.count < allowed {
                #expect(try record("-o", path, "--seconds", "0.2").status == 0)
                visits = try visitedCPUs(path)
            }
            #expect(visits.count == allowed)
            #expect(try record("-o", path, "--no-visit", "--seconds", "0.2").status == 0)
            #expect(try visitedCPUs(path).isEmpty)
        }
    }

    /// The CPUs on which the recorder's first child runs. Who the recorder is its lines in trace_marker tell: other tests run the program, too.
    private func visitedCPUs(_ path: String) throws -> Set<Substring> {
        let lines = try Program.lazytlb("events", path).text.split(separator: "\n")
        let birth = #/task_newtask: +pid=([0-9]+) comm=lazytlb /#
        let recorder = lines.lazy.compactMap { $0.firstMatch(of: #/lazytlb-([0-9]+) .*lazytlb-tasks 1 begin/#)?.1 }.first
        let own = lines.lazy.filter { line in recorder.map { line.contains("lazytlb-\($0) ") } ?? true }
        guard let child = own.compactMap({ $0.firstMatch(of: birth)?.1 }).first else { return [] }
        return Set(lines.filter { $0.contains("lazytlb-\(child) ") || $0.contains(" next_pid=\(child) ") }.compactMap { $0.firstMatch(of: #/\[([0-9]+)\]/#)?.1 })
    }

    @Test func secondsEndARecordingAndItsCommand() throws {
        try withFolder { folder in
            let result = try record("-o", folder + "/a.dat", "--seconds", "0.3", "--", "sleep", "60")
            #expect(result.status == 0)
            #expect(result.errors.contains("sleep was ended by signal 15"))
            let file = try TraceFile(path: folder + "/a.dat")
            #expect(file.cpuCount > 0)
        }
    }

    @Test func theCommandsStatusIsToldAndIsNoFailure() throws {
        try withFolder { folder in
            let result = try record("-o", folder + "/a.dat", "--", "sh", "-c", "exit 3")
            #expect(result.status == 0)
            #expect(result.errors.contains("sh ended with status 3"))
        }
    }

    @Test func aCommandThatCannotBeRunIsAnErrorAndLeavesTheOldFile() throws {
        try withFolder { folder in
            try Data("old".utf8).write(to: URL(fileURLWithPath: folder + "/a.dat"))
            let result = try record("-o", folder + "/a.dat", "--", folder + "/nothing")
            #expect(result.status == 2)
            #expect(result.errors.contains("cannot run \(folder)/nothing: No such file or directory"))
            #expect(try files(in: folder) == ["a.dat"])
            #expect(try String(contentsOfFile: folder + "/a.dat", encoding: .utf8) == "old")
        }
    }

    // MARK: nothing is left behind

    @Test func aKilledCommandEndsTheRecording() throws {
        try withFolder { folder in
            let result = try record("-o", folder + "/a.dat", "--", "sh", "-c", "kill -9 $$")
            #expect(result.status == 0)
            #expect(result.errors.contains("sh was ended by signal 9"))
            #expect(try files(in: folder) == ["a.dat"])
            #expect(try records(folder + "/a.dat").values.reduce(0, +) > 0)
        }
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP, SIGQUIT])
    func aSignalEndsTheRecordingAndTheFileIsWhole(signal: Int32) throws {
        try withFolder { folder in
            let enabled = Tracefs.enabledEvents
            let recorder = try RunningRecorder(["-o", folder + "/a.dat"])
            try #require(recorder.isRecording(), "\(recorder.messages)")
            let instance = try #require(Tracefs.instance(of: recorder.pid))
            // Data without a name only, so far.
            #expect(try files(in: folder) == [])
            #expect(recorder.end(signal) == 0, "\(recorder.messages)")
            #expect(access(instance, F_OK) != 0)
            #expect(Tracefs.enabledEvents == enabled)
            #expect(try files(in: folder) == ["a.dat"])
            #expect(try records(folder + "/a.dat").values.reduce(0, +) > 0)
        }
    }

    @Test func aKilledRecorderLeavesNoInstanceAndNoFile() throws {
        try withFolder { folder in
            let recorder = try RunningRecorder(["-o", folder + "/a.dat"])
            try #require(recorder.isRecording(), "\(recorder.messages)")
            let instance = try #require(Tracefs.instance(of: recorder.pid))
            _ = recorder.end(SIGKILL)
            #expect(eventually { access(instance, F_OK) != 0 })
            #expect(try files(in: folder) == [])
        }
    }

    @Test func whatNobodyCouldRemoveTheNextRecorderRemoves() throws {
        try withFolder { folder in
            // Of a process that is gone: this one's pid, at another time.
            let stale = "\(Tracefs.path)/instances/lazytlb-\(getpid())-1"
            #expect(mkdir(stale, 0o750) == 0)
            let result = try record("-o", folder + "/a.dat", "--", "true")
            #expect(result.status == 0)
            #expect(access(stale, F_OK) != 0)
            rmdir(stale)
        }
    }

    @Test func twoRecordersDoNotDisturbEachOther() throws {
        try withFolder { folder in
            let first = try RunningRecorder(["-o", folder + "/a.dat"])
            try #require(first.isRecording(), "\(first.messages)")
            let result = try record("-o", folder + "/b.dat", "--", Self.storm, "2", "500")
            #expect(result.status == 0, "\(result.errors)")
            #expect(Tracefs.instance(of: first.pid) != nil)
            #expect(first.end(SIGINT) == 0, "\(first.messages)")
            #expect(Tracefs.instance(of: first.pid) == nil)
            #expect(try files(in: folder) == ["a.dat", "b.dat"])
            // The storm is in both.
            for name in ["a.dat", "b.dat"] {
                let flushes = try Program.lazytlb("events", "\(folder)/\(name)").text.split(separator: "\n").count { $0.contains("storm-") }
                #expect(flushes >= 1000, "\(name)")
                #expect(try TraceFile(path: "\(folder)/\(name)").cpuStats.allSatisfy { $0.overrun == 0 && $0.dropped == 0 })
            }
        }
    }

    @Test func aFullDiskIsAnErrorAndLeavesNothing() throws {
        try withFolder { folder in
            let mounted = try Program.run("/bin/sh", "-c", "mount -t tmpfs -o size=128k nodev \"$0\"", folder)
            try #require(mounted.status == 0, "\(mounted.errors)")
            defer { _ = try? Program.run("/bin/sh", "-c", "umount \"$0\"", folder) }
            let recorder = try RunningRecorder(["-o", folder + "/a.dat", "--", Self.storm, "4", "20000"])
            recorder.process.waitUntilExit()
            #expect(recorder.process.terminationStatus == 2)
            #expect(recorder.messages.contains("\(folder)/: cannot write what was recorded: No space left on device"), "\(recorder.messages)")
            // Nothing goes on unseen.
            #expect(recorder.messages.contains("storm was ended by signal 15"), "\(recorder.messages)")
            #expect(Tracefs.instance(of: recorder.pid) == nil)
            #expect(try files(in: folder) == [])
        }
    }

    @Test func lostEventsAreToldAndCounted() throws {
        try withFolder { folder in
            // The recorder is stopped while the storm runs, so that nobody drains the smallest buffers.
            let recorder = try RunningRecorder(["-o", folder + "/a.dat", "--buffer-size", "64"])
            try #require(recorder.isRecording(), "\(recorder.messages)")
            kill(recorder.pid, SIGSTOP)
            #expect(try Program.run(Self.storm, "4", "3000").status == 0)
            kill(recorder.pid, SIGCONT)
            #expect(recorder.end(SIGINT) == 0)
            let stats = try TraceFile(path: folder + "/a.dat").cpuStats
            let lost = stats.reduce(0) { $0 + $1.overrun + $1.dropped }
            #expect(lost > 0)
            #expect(recorder.messages.contains("\(lost) lost, in "), "\(recorder.messages)")
            #expect(recorder.messages.contains("--buffer-size, now 64 KiB"))
            // The marks in the sub-buffers tell as well, and of how many where there is room for the number (ring_buffer_read_page(), kernel/trace/ring_buffer.c).
            struct Info: Decodable {
                struct CPU: Decodable { var lost_events, lost_gaps, uncounted_gaps, overrun, dropped: Int }
                var per_cpu: [CPU]
            }
            let info = try JSONDecoder().decode(Info.self, from: try Program.lazytlb("info", "--format", "json", folder + "/a.dat").output)
            for cpu in info.per_cpu where cpu.overrun + cpu.dropped > 0 {
                #expect(cpu.lost_gaps > 0)
                #expect(cpu.uncounted_gaps > 0 ? cpu.lost_events < cpu.overrun + cpu.dropped : cpu.lost_events == cpu.overrun + cpu.dropped)
            }
            struct Report: Decodable {
                struct Trace: Decodable { var lost_events, lost_gaps: Int }
                var trace: Trace
            }
            let report = try JSONDecoder().decode(Report.self, from: try Program.lazytlb("report", "--format", "json", folder + "/a.dat").output)
            #expect(report.trace.lost_gaps == info.per_cpu.reduce(0) { $0 + $1.lost_gaps })
            #expect(report.trace.lost_events == info.per_cpu.reduce(0) { $0 + $1.lost_events })
        }
    }
}

import Foundation
import Glibc
@testable import Recording
import TestSupport
import Testing
import TraceData

/// How recordings end, and what must not end them.
extension RecordTests {
    /// strace is there, and may trace: it makes system calls fail that do not fail here.
    static let hasStrace = (try? Program.run("/bin/sh", "-c", "strace -o /dev/null true").status) == 0

    /// A terminal that goes away sends SIGHUP twice, and Ctrl-C is pressed twice.
    @Test(arguments: [["-o", "a.dat"], ["--live"]], [1000, 5000, 50_000])
    func aSecondSignalDestroysNothing(options: [String], microseconds: UInt32) throws {
        try withFolder { folder in
            let recorder = try RunningRecorder(options, in: folder)
            try #require(recorder.isRecording(), "\(recorder.messages)")
            kill(recorder.pid, SIGTERM)
            usleep(microseconds)
            #expect(recorder.end(SIGTERM) == 0, "\(recorder.messages)")
            #expect(!recorder.messages.contains("interrupted"), "\(recorder.messages)")
            if options == ["--live"] { return }
            #expect(try files(in: folder) == ["a.dat"])
            #expect(try records(folder + "/a.dat").values.reduce(0, +) > 0)
        }
    }

    /// Nor does one behind the first cut off the time that the command has to end.
    @Test func aCommandThatDoesNotEndIsLeftAfterASecond() throws {
        try withFolder { folder in
            let recorder = try RunningRecorder(["-o", "a.dat", "--", "sh", "-c", "trap '' INT TERM; sleep 4"], in: folder)
            try #require(recorder.isRecording(), "\(recorder.messages)")
            usleep(200_000)
            kill(recorder.pid, SIGINT)
            usleep(200_000)
            #expect(recorder.end(SIGINT) == 0, "\(recorder.messages)")
            #expect(recorder.messages.contains("sh did not end when asked to (SIGTERM), and goes on"), "\(recorder.messages)")
            #expect(try records(folder + "/a.dat").values.reduce(0, +) > 0)
        }
    }

    @Test func aStoppedCommandIsEnded() throws {
        try withFolder { folder in
            let result = try record("-o", folder + "/a.dat", "--seconds", "0.5", "--", "sh", "-c", "kill -STOP $$")
            #expect(result.status == 0)
            #expect(result.errors.contains("sh was ended by signal 15"), "\(result.errors)")
        }
    }

    /// nohup has SIGHUP ignored, and a script's shell SIGINT and SIGQUIT of what it starts with `&`.
    @Test func anIgnoredSignalEndsNothing() throws {
        try withFolder { folder in
            let recorder = try RunningRecorder(["-o", "a.dat"], by: ["sh", "-c", "trap '' HUP INT QUIT; exec \"$0\" \"$@\""], in: folder)
            try #require(recorder.isRecording(), "\(recorder.messages)")
            for signal in [SIGHUP, SIGINT, SIGQUIT] { kill(recorder.pid, signal) }
            usleep(500_000)
            #expect(Tracefs.instance(of: recorder.pid) != nil)
            #expect(recorder.end(SIGTERM) == 0, "\(recorder.messages)")
            #expect(try files(in: folder) == ["a.dat"])
        }
    }

    // MARK: what is left to the guardian

    @Test func aKilledRecorderLeavesNothingByRelativePaths() throws {
        try withFolder { folder in
            try FileManager.default.createSymbolicLink(atPath: folder + "/tracing", withDestinationPath: Tracefs.path)
            let recorder = try RunningRecorder(["--tracefs", "tracing", "-o", "a.dat"], in: folder)
            try #require(recorder.isRecording(), "\(recorder.messages)")
            let instance = try #require(Tracefs.instance(of: recorder.pid))
            _ = recorder.end(SIGKILL)
            #expect(eventually { access(instance, F_OK) != 0 })
            rmdir(instance)
        }
    }

    /// Where a file must have a name from the start, it is beside the one to be.
    @Test(.enabled(if: hasStrace, "needs strace")) func aKilledRecorderLeavesNoFileWithAName() throws {
        try withFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/sub", withIntermediateDirectories: true)
            // O_TMPFILE opens the folder.
            let launcher = ["strace", "-D", "-o", "/dev/null", "-P", "sub/", "-e", "inject=openat:error=EOPNOTSUPP"]
            let recorder = try RunningRecorder(["-o", "sub/a.dat"], by: launcher, in: folder)
            try #require(recorder.isRecording(), "\(recorder.messages)")
            #expect(try files(in: folder + "/sub").map { $0.hasPrefix(".lazytlb-") } == [true])
            _ = recorder.end(SIGKILL)
            let isGone = try eventually { try files(in: folder + "/sub") == [] }
            #expect(isGone)
        }
    }

    /// Its open readers would keep it busy; one that has not come so far has only its name.
    @Test func whatALivingRecorderHasStays() throws {
        try withFolder { folder in
            let instance = "\(Tracefs.path)/instances/\(RecorderID.own().instance)"
            #expect(mkdir(instance, 0o750) == 0)
            let result = try record("-o", folder + "/a.dat", "--", "true")
            #expect(result.status == 0)
            #expect(rmdir(instance) == 0)
        }
    }

    // MARK: what the machine or its user has set

    /// Without `overwrite` lost events leave no mark, without `markers` the snapshot is not written.
    @Test func optionsOfTheTopLevelAreNotTheInstances() throws {
        let options = ["overwrite", "markers", "record-cmd"].filter { access("\(Tracefs.path)/options/\($0)", W_OK) == 0 }
        func set(_ option: String, _ value: String) { _ = SmallFile.write("\(Tracefs.path)/options/\(option)", value) }
        let before = options.map { SmallFile.text("\(Tracefs.path)/options/\($0)") ?? "1" }
        for option in options { set(option, "0") }
        defer { for (option, value) in zip(options, before) { set(option, value) } }
        try withFolder { folder in
            let recorder = try RunningRecorder(["-o", folder + "/a.dat"])
            try #require(recorder.isRecording(), "\(recorder.messages)")
            let instance = try #require(Tracefs.instance(of: recorder.pid))
            // Some options are the top level's alone.
            let values = options.compactMap { SmallFile.text("\(instance)/options/\($0)") }
            #expect(!values.isEmpty && values.allSatisfy { $0 == "1\n" })
            #expect(recorder.end(SIGTERM) == 0)
        }
    }

    /// EINVAL is what a file system or a kernel says that cannot splice(2).
    @Test(.enabled(if: hasStrace, "needs strace")) func withoutSpliceEverythingIsReadAllTheSame() throws {
        try withFolder { folder in
            let launcher = ["strace", "-D", "-o", "/dev/null", "-e", "inject=splice:error=EINVAL"]
            let recorder = try RunningRecorder(["-o", folder + "/a.dat", "--", Self.storm, "2", "1000"], by: launcher)
            recorder.process.waitUntilExit()
            #expect(recorder.process.terminationStatus == 0, "\(recorder.messages)")
            let counts = try records(folder + "/a.dat")
            let stats = try TraceFile(path: folder + "/a.dat").cpuStats
            #expect(!stats.isEmpty && counts.values.reduce(0, +) > 2000)
            for stats in stats { #expect(counts[Int(stats.cpu), default: 0] == Int(stats.read) && stats.overrun == 0) }
        }
    }
}

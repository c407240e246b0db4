import Foundation
import TestSupport
import Testing
import TraceData
import TraceForms

/// Folders with raw sub-buffers that are not as they should be.
@Suite struct PageTests {
    private static let trace = Recordings.fixture("v4.12-threads-4cpu-truth-lost.dat")

    /// What reading the folder gives after `change`.
    private static func failure(_ change: (URL) throws -> Void) throws -> TraceError? {
        try withPages(of: trace) { path, _ in
            try change(URL(fileURLWithPath: path))
            do {
                _ = try Text.records(try openTrace(path))
                return nil
            } catch let error as TraceError { return error }
        }
    }

    private static func write(_ text: String, _ folder: URL, _ name: String) throws {
        try Data(text.utf8).write(to: folder.appendingPathComponent(name))
    }

    @Test func whatTheFolderTellsIsInTheTrace() throws {
        try withPages(of: Self.trace) { path, release in
            let file = try openTrace(path + "/")
            #expect(file.origin.form == .pages)
            #expect(file.origin.leftOut == [])
            #expect(file.kernelRelease == release)
            #expect(file.clock == (try TraceFile(path: Self.trace)).clock)
            #expect(file.cpuStats.map(\.overrun) == [7, 7, 7, 7])
            #expect(file.commands == (try TraceFile(path: Self.trace)).commands)
        }
    }

    @Test func whatIsOptionalMayBeMissing() throws {
        try withPages(of: Self.trace) { path, _ in
            let all = try Text.records(try openTrace(path)).count
            for name in ["version", "trace_clock", "saved_cmdlines", "per_cpu/cpu1/stats", "events/header_event"] { try FileManager.default.removeItem(atPath: "\(path)/\(name)") }
            let file = try openTrace(path)
            #expect(try Text.records(file).count == all)
            #expect(file.origin.leftOut.count == 4)
            #expect(file.clock == .unknown)
            #expect(try openTrace(path, kernel: "4.12").origin.leftOut.count == 3)
        }
    }

    /// "lost: none" would be said of what nobody has counted.
    @Test(arguments: [
        ([1], "per_cpu/cpu1/stats is not in the folder: "), ([1, 3], "stats of 2 CPUs (the first is per_cpu/cpu1/stats) are not in the folder: "),
        ([0, 1, 2, 3], "per_cpu/cpuN/stats is not in the folder for any CPU: "),
    ])
    func countsOfTheKernelThatAreMissingAreLeftOut(of cpus: [Int], _ text: String) throws {
        try withPages(of: Self.trace) { path, _ in
            for cpu in cpus { try FileManager.default.removeItem(atPath: "\(path)/per_cpu/cpu\(cpu)/stats") }
            #expect(try openTrace(path).origin.leftOut == [text + "what was lost there, or not copied, shows only as far as the pages tell."])
        }
    }

    /// The recipe of docs/inputs.md, where the sub-buffers of an instance have another size than those of the top buffer (Linux 6.8).
    @Test func theRecipeTakesWhatIsTheInstancesOwn() throws {
        let lines = try String(contentsOf: Recordings.package.appendingPathComponent("docs/inputs.md"), encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex(of: "    t=/sys/kernel/tracing"))
        let recipe = lines[start...].prefix { $0.hasPrefix("    ") }.joined(separator: "\n")
            .replacingOccurrences(of: "t=/sys/kernel/tracing", with: "t=tracefs").replacingOccurrences(of: "i=$t ", with: "i=$t/instances/run ")
        try withPages(of: Self.trace) { path, _ in
            let prepared = try Program.run(
                "/bin/sh", with: ["-ec", "mkdir -p tracefs/instances/run; cp -r events saved_cmdlines tracefs; mv events per_cpu trace_clock tracefs/instances/run; echo top >tracefs/events/header_page"],
                in: URL(fileURLWithPath: path))
            #expect(prepared.status == 0, "\(prepared.errors)")
            let run = try Program.run("/bin/bash", with: ["-c", recipe], in: URL(fileURLWithPath: path))
            #expect(run.status == 0 && run.errors == "", "\(run.errors)")
            let file = try openTrace(path + "/pages")
            #expect(try Text.records(file).count == Text.records(try TraceFile(path: Self.trace)).count)
            #expect(file.origin.leftOut == [])
        }
    }

    /// Not an offset in the file that it would have become.
    @Test(arguments: ["", "ID: 314\n"]) func aFormatWithoutItsNameIsNamed(_ text: String) throws {
        let error = try Self.failure { try Self.write(text, $0, "events/sched/sched_switch/format") }
        #expect(error?.path.hasSuffix("/events/sched/sched_switch/format") == true)
        #expect(error?.cause == "no event format: it does not begin with its name")
    }

    @Test func withoutHeaderPageItIsNoFolderOfPages() throws {
        let error = try Self.failure { try FileManager.default.removeItem(at: $0.appendingPathComponent("events/header_page")) }
        #expect(error?.cause.contains("is a directory, but not one with raw sub-buffers") == true)
    }

    @Test(arguments: ["", "field: local_t commit;\toffset:8;\tsize:3;\n", "\tfield: local_t commit;\toffset:8;\tsize:8;\n\tfield: char data;\toffset:16;\tsize:99999999999;\n"])
    func aHeaderPageThatTellsNothingIsAnError(_ text: String) throws {
        let error = try Self.failure { try Self.write(text, $0, "events/header_page") }
        #expect(error?.path.hasSuffix("/events/header_page") == true)
    }

    @Test func aSubbufferThatDoesNotFitIsNamedByItsOwnFile() throws {
        let error = try Self.failure { folder in
            let file = folder.appendingPathComponent("per_cpu/cpu2/trace_pipe_raw")
            var bytes = try Data(contentsOf: file)
            bytes[4096 + 8] = 0xff
            bytes[4096 + 9] = 0xff
            try bytes.write(to: file)
        }
        #expect(error?.path.hasSuffix("/per_cpu/cpu2/trace_pipe_raw") == true)
        #expect(error?.offset == UInt64(4096 + 8))
        #expect(error?.cause.hasPrefix("sub-buffer claims 65535 bytes of records") == true)
    }

    @Test func aFileThatIsCutOffIsAnError() throws {
        let error = try Self.failure { folder in
            let file = folder.appendingPathComponent("per_cpu/cpu0/trace_pipe_raw")
            let bytes = try Data(contentsOf: file)
            try bytes.prefix(bytes.count - 4096 + 1000).write(to: file)
        }
        #expect(error?.path.hasSuffix("/per_cpu/cpu0/trace_pipe_raw") == true)
    }

    @Test func cpusThatCannotBeAreErrors() throws {
        for name in ["cpu8192", "cpu99999999999"] {
            let error = try Self.failure { try FileManager.default.createDirectory(at: $0.appendingPathComponent("per_cpu/\(name)"), withIntermediateDirectories: true) }
            #expect(error?.cause.hasSuffix("the limit is 8191") == true)
        }
        let twice = try Self.failure { try FileManager.default.copyItem(at: $0.appendingPathComponent("per_cpu/cpu1"), to: $0.appendingPathComponent("per_cpu/cpu01")) }
        #expect(twice?.cause.hasPrefix("CPU 1 is there twice") == true)
        let none = try Self.failure { try FileManager.default.removeItem(at: $0.appendingPathComponent("per_cpu")) }
        #expect(none?.cause == "no cpuN/trace_pipe_raw is in it")
        let empty = try Self.failure { folder in for cpu in 0..<4 { try Self.write("", folder, "per_cpu/cpu\(cpu)/trace_pipe_raw") } }
        #expect(empty?.cause.hasPrefix("all cpuN/trace_pipe_raw are empty") == true)
        let pipe = try Self.failure { folder in
            let file = folder.appendingPathComponent("per_cpu/cpu0/trace_pipe_raw").path
            try FileManager.default.removeItem(atPath: file)
            #expect(mkfifo(file, 0o600) == 0)
        }
        #expect(pipe?.cause == "is not a regular file")
    }

    @Test func anotherFileCalledVersionIsAnError() throws {
        let error = try Self.failure { try Self.write("1.2.3\n", $0, "version") }
        #expect(error?.cause == "expected the content of /proc/version, found \"1.2.3\\x0a\"")
    }

    @Test(arguments: ["", "rubbish\n", "local global\n", "local [] global\n"]) func aClockFileThatNamesNoneIsAnError(_ text: String) throws {
        let error = try Self.failure { try Self.write(text, $0, "trace_clock") }
        #expect(error?.path.hasSuffix("/trace_clock") == true)
        #expect(error?.cause.hasPrefix("expected the kernel's clocks, the chosen one in brackets, found \"") == true, "\(String(describing: error))")
    }

    // MARK: The kernel's counts

    /// What a full disk, or another file, leaves of it.
    @Test(arguments: ["", "rubbish\n", "entries: 5\noverrun: 0\n", "entries: many\nread events: 0\n", "overrun: 0\nread events: 0\n"]) func aFileWithoutTheCountsIsAnError(_ text: String) throws {
        let error = try Self.failure { try Self.write(text, $0, "per_cpu/cpu1/stats") }
        #expect(error?.path.hasSuffix("/per_cpu/cpu1/stats") == true)
        #expect(error?.cause.hasPrefix("expected the kernel's counts, with entries and read events, found \"") == true, "\(String(describing: error))")
    }

    /// What is said to be missing of one CPU, which has `copied` records, by stats of these numbers.
    private func missing(of cpu: Int = 1, _ change: (_ copied: Int) -> (entries: Int, read: Int)) throws -> String? {
        try withPages(of: Self.trace) { path, _ in
            let copied = try Text.records(try openTrace(path)).filter { $0.cpu == cpu && $0.event != "lost" }.count
            #expect(copied > 100)
            let (entries, read) = change(copied)
            try Self.write("entries: \(entries)\noverrun: 0\nread events: \(read)\n", URL(fileURLWithPath: path), "per_cpu/cpu\(cpu)/stats")
            let problems = try openTrace(path).problems
            #expect(problems.allSatisfy { $0.cpu == cpu && $0.error.path == "\(path)/per_cpu/cpu\(cpu)" })
            return problems.first?.error.cause
        }
    }

    @Test func countsOfBeforeAndAfterTheCopyMayAgreeWithIt() throws {
        #expect(try missing { ($0, 0) } == nil)
        #expect(try missing { (0, $0) } == nil)
        // Half of it was read by then: of a copy that was interrupted and went on.
        #expect(try missing { ($0 / 2, $0 - $0 / 2) } == nil)
        // Another reader had been there before, and stats was read before the copy.
        #expect(try missing { ($0, 77) } == nil)
        // The kernel wrote on between stats and the copy.
        #expect(try missing { ($0 - 10, 0) } == nil)
    }

    @Test func recordsThatTheKernelCountedAndTheCopyLacksAreMissing() throws {
        #expect(try missing { ($0 + 1, 0) }?.hasSuffix("records, and by stats the kernel had 1 more: not all was copied, or another reader took them") == true)
        #expect(try missing { (0, $0 + 200) }?.contains("the kernel had 200 more:") == true)
        #expect(try missing { (5, $0) }?.contains("the kernel had 5 more:") == true)
        #expect(try missing { _ in (Int.max, Int.max) } != nil)
    }

    @Test(arguments: [0, 3]) func aCPUWithoutPagesHasNoneOfWhatTheKernelCounted(cpu: Int) throws {
        func problems(_ change: (String) throws -> Void) throws -> [String] {
            try withPages(of: Self.trace) { path, _ in
                try Self.write("entries: 0\nread events: 502\n", URL(fileURLWithPath: path), "per_cpu/cpu\(cpu)/stats")
                try change("\(path)/per_cpu/cpu\(cpu)/trace_pipe_raw")
                let file = try openTrace(path)
                #expect(file.cpuCount == 4)
                #expect(file.cpusWithoutData == [cpu])
                return file.problems.map(\.error.cause)
            }
        }
        let tail = "and by stats the kernel had 502 records: not all was copied, or another reader took them"
        let empty = try problems { try Data().write(to: URL(fileURLWithPath: $0)) }
        #expect(empty == ["trace_pipe_raw is empty, \(tail)"])
        let none = try problems { try FileManager.default.removeItem(atPath: $0) }
        #expect(none == ["trace_pipe_raw is not there, \(tail)"])
    }

    @Test func aCPUThatTheKernelCountedNothingOfMayBeWithoutPages() throws {
        try withPages(of: Self.trace) { path, _ in
            try FileManager.default.removeItem(atPath: "\(path)/per_cpu/cpu3/trace_pipe_raw")
            let file = try openTrace(path)
            #expect(file.problems.isEmpty)
            #expect(file.cpusWithoutData == [3])
        }
    }

    @Test func tracefsItselfIsNotRead() throws {
        guard FileManager.default.isReadableFile(atPath: "/sys/kernel/tracing/events/header_page") else { return }
        let error = #expect(throws: TraceError.self) { try openTrace("/sys/kernel/tracing") }
        #expect(error?.cause.hasPrefix("is tracefs itself") == true)
    }
}

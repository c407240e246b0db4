import Foundation
import Glibc
import TestSupport
import Testing

/// `lazytlb events` and `lazytlb info` as their users meet them.
@Suite struct EventsTests {
    static let path = Recordings.fixture("v4.12-threads-4cpu-truth-lost.dat")

    private func objects(_ arguments: String...) throws -> [[String: Any]] {
        let result = try Program.run(Program.lazytlb, with: arguments)
        #expect(result.status == 0)
        return try result.output.split(separator: 10).map { try #require(try JSONSerialization.jsonObject(with: $0) as? [String: Any]) }
    }

    @Test func aFileThatShrinksMeanwhileIsAnErrorAndNoCrash() throws {
        let copy = FileManager.default.temporaryDirectory.appendingPathComponent("lazytlb-test-\(UUID().uuidString).dat")
        try FileManager.default.copyItem(atPath: Recordings.fixture("v4.12-reclaim-4cpu-truth.dat"), toPath: copy.path)
        defer { try? FileManager.default.removeItem(at: copy) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Program.lazytlb)
        process.arguments = ["events", copy.path]
        let (output, errors) = (Pipe(), Pipe())
        (process.standardOutput, process.standardError) = (output, errors)
        try process.run()
        // It has begun, and waits for somebody to read on.
        _ = try output.fileHandleForReading.read(upToCount: 1000)
        #expect(truncate(copy.path, 8192) == 0)
        _ = try output.fileHandleForReading.readToEnd()
        process.waitUntilExit()
        #expect(process.terminationReason == .exit)
        #expect(process.terminationStatus == 2)
        let message = String(decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        #expect(message.contains("became shorter"))
    }

    @Test func everyLineOfJSONIsAnObjectWithTheSameKeys() throws {
        let objects = try objects("events", "--format", "json", Self.path)
        #expect(objects.count == 3357)
        for object in objects {
            #expect(Set(object.keys) == ["time_ns", "cpu", "pid", "comm", "event", "flags", "fields"])
        }
        let flush = try #require(objects.first { $0["event"] as? String == "tlb_flush" })
        #expect((flush["fields"] as? [String: Any])?["pages"] as? Int == -1)
    }

    @Test func gapsAreObjectsOfTheirOwn() throws {
        let gaps = try objects("events", "--format", "json", Self.path).filter { $0["event"] as? String == "lost" }
        #expect(gaps.count == 4)
        for gap in gaps {
            #expect(gap["pid"] is NSNull)
            #expect(((gap["fields"] as? [String: Any])?["events"] as? Int ?? 0) > 0)
        }
    }

    @Test func cpusAndEventsCanBeChosen() throws {
        let chosen = try objects("events", "--format", "json", "--cpu", "0,2-3", "--event", "tlb_flush", "--event", "print", Self.path)
        #expect(Set(chosen.compactMap { $0["cpu"] as? Int }) == [0, 2, 3])
        #expect(Set(chosen.compactMap { $0["event"] as? String }) == ["tlb_flush", "print", "lost"])
    }

    @Test func anEventThatTheFileDoesNotDeclareIsAnError() throws {
        let result = try Program.lazytlb("events", "--event", "nosuch", Self.path)
        #expect(result.status == 2)
        #expect(result.errors == "lazytlb: \(Self.path): the file declares no event \"nosuch\"\n")
    }

    @Test func severalTracesAreToldApart() throws {
        let other = Recordings.fixture("v4.12-threads-2cpu-truth-c3idle.dat")
        let objects = try objects("events", "--format", "json", "--event", "print", Self.path, other)
        #expect(Set(objects.compactMap { $0["trace"] as? String }) == [Self.path, other])
        let alone = try [Self.path, other].map { try Program.lazytlb("events", "--event", "print", $0).text }
        let text = try Program.lazytlb("events", "--event", "print", Self.path, other).text
        #expect(text == "# \(Self.path)\n\(alone[0])# \(other)\n\(alone[1])")
    }

    @Test(arguments: ["events", "info"])
    func badInputIsOneLineAndStatus2(command: String) throws {
        try withTemporaryFile(Data("no trace".utf8)) { path in
            let result = try Program.lazytlb(command, path)
            #expect(result.status == 2)
            #expect(result.errors == "lazytlb: \(path): at byte 0: not a trace: neither trace.dat, perf.data nor ftrace's text; it begins with \"no trace\"\n")
            #expect(result.output.isEmpty)
        }
    }

    @Test(arguments: ["events", "events --format json", "info", "info --format json"])
    func aTraceThatCannotBeReadDoesNotTakeTheOthersTurn(_ command: String) throws {
        let words = command.split(separator: " ").map(String.init)
        let other = Recordings.fixture("v4.12-threads-2cpu-truth-c3idle.dat")
        let good = try Program.run(Program.lazytlb, with: words + [Self.path, other])
        try withTemporaryFile(Data("no trace".utf8)) { bad in
            for traces in [[bad, Self.path, other], [Self.path, bad, other], [Self.path, other, bad]] {
                let result = try Program.run(Program.lazytlb, with: words + traces)
                #expect(result.status == 2)
                #expect(result.errors == "lazytlb: \(bad): at byte 0: not a trace: neither trace.dat, perf.data nor ftrace's text; it begins with \"no trace\"\n")
                let isSame = result.output == good.output
                #expect(isSame)
            }
        }
    }

    @Test func aTraceWithoutTheEventDoesNotEither() throws {
        let trace = WrittenTrace(cpus: 1)
        trace.flush(0, 1000, 7, 3, 1)
        try trace.open { path in
            let result = try Program.lazytlb("events", "--event", "print", path, Self.path)
            #expect(result.status == 2)
            #expect(result.errors == "lazytlb: \(path): the file declares no event \"print\"\n")
            #expect(result.text == "# \(Self.path)\n" + (try Program.lazytlb("events", "--event", "print", Self.path).text))
        }
    }

    @Test func aBufferThatIsNotThereIsAnError() throws {
        let result = try Program.lazytlb("events", "--buffer", "x", Self.path)
        #expect(result.status == 2)
        #expect(result.errors == "lazytlb: \(Self.path): the file has no buffer \"x\"; it has the top one\n")
    }

    /// As `info` calls it. In text a line may name any buffer, so that of a missing one it is said how the top one is named.
    @Test func theTopBufferHasAName() throws {
        let top = try Program.lazytlb("events", "--buffer", "top", Self.path)
        #expect(top.status == 0, "\(top.errors)")
        let isSame = try top.output == Program.lazytlb("events", Self.path).output
        #expect(isSame)
        let text = try Program.lazytlb("events", "--buffer", "top", Recordings.package.appendingPathComponent("fixtures/forms/trace.txt").path)
        #expect(text.errors.hasSuffix("no line is of buffer \"top\"; there are lines of the top one (--buffer '')\n"), "\(text.errors)")
    }

    @Test func keepGoingPrintsWhatThereIsAndSaysWhatIsMissing() throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: Recordings.fixture("v4.12-threads-4cpu-plain.dat")))
        try withTemporaryFile(whole.prefix(whole.count - 3000)) { path in
            #expect(try Program.lazytlb("events", path).output.isEmpty)
            let result = try Program.lazytlb("events", "--keep-going", path)
            #expect(result.status == 2)
            #expect(result.errors.hasPrefix("lazytlb: \(path): "))
        }
    }

    @Test func aClosedPipeIsNoError() throws {
        let result = try Program.run("/bin/bash", "-c", "\"$0\" events \"$1\" | head -n 1 >/dev/null; echo ${PIPESTATUS[0]}", Program.lazytlb, Self.path)
        #expect(result.text == "0\n")
        #expect(result.errors.isEmpty)
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")), arguments: ["events", "info"])
    func aFullDiskIsAnError(command: String) throws {
        let result = try Program.run("/bin/sh", "-c", "\"$0\" \"$2\" \"$1\" >/dev/full", Program.lazytlb, Self.path, command)
        #expect(result.status == 2)
        #expect(result.errors == "lazytlb: standard output: cannot write: No space left on device\n")
    }

    @Test func controlCharactersDoNotReachATerminalAndJSONStaysValid() throws {
        // A task's name may hold any bytes: change "thr0" where it is not compressed.
        try withTemporaryFile(Data()) { path in
            let source = Recordings.fixture("v4.12-threads-4cpu-plain.dat")
            let command = "trace-cmd convert -i \"$0\" -o \"$1\" --file-version 6 >/dev/null 2>&1"
            #expect(try Program.run("/bin/sh", "-c", command, source, path).status == 0)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            var start = bytes.startIndex
            while let found = bytes.range(of: Data("thr0\0".utf8), in: start..<bytes.endIndex) {
                bytes.replaceSubrange(found.lowerBound..<found.lowerBound + 4, with: [0x1b, 0x22, 0xff, 0x5c])
                start = found.upperBound
            }
            #expect(start > bytes.startIndex)
            try bytes.write(to: URL(fileURLWithPath: path))
            let text = try Program.lazytlb("events", path)
            #expect(!text.output.contains(0x1b))
            #expect(text.output.range(of: Data(#"next_comm=\x1B"\xFF\ "#.utf8)) != nil)
            let objects = try objects("events", "--format", "json", path)
            #expect(objects.contains { ($0["fields"] as? [String: Any])?["next_comm"] as? String == "\u{1b}\"\\xFF\\" })
        }
    }

    @Test func infoCountsWhatEventsPrints() throws {
        let info = try #require(try objects("info", "--format", "json", Self.path).first)
        #expect(info["records"] as? Int == 3353)
        #expect(info["kernel"] as? String == "4.12.4-lab")
        #expect(info["lost_gaps"] as? Int == 4)
        // The kernel's own count of what it overwrote says the same as the gaps in the data.
        let cpus = try #require(info["per_cpu"] as? [[String: Any]])
        #expect(cpus.count == 4)
        for cpu in cpus { #expect(cpu["lost_events"] as? Int == cpu["overrun"] as? Int) }
        #expect((info["missing"] as? [String])?.isEmpty == true)
    }

    @Test(.enabled(if: Recordings.shared("v4.12-threads-4cpu-plain-rec-onlysched.dat") != nil, "needs the larger set of recordings"))
    func infoSaysWhatToRecord() throws {
        let path = try #require(Recordings.shared("v4.12-threads-4cpu-plain-rec-onlysched.dat"))
        let text = try Program.lazytlb("info", path).text
        #expect(text.contains("note: tlb:tlb_flush "))
        #expect(text.contains("trace-cmd record -e sched:sched_switch -e tlb:tlb_flush"))
    }

    /// The format's order is not that of the fields in a record.
    @Test func aFieldThatTheRecordIsTooShortForIsLeftOutWithItsSeparator() throws {
        let trace = {
            var trace = WrittenTrace(cpus: 1)
            trace.formats.append(
                (system: "x", text: eventFormat("odd", 99, "\tfield:int far;\toffset:40;\tsize:4;\tsigned:1;\n\tfield:int near;\toffset:8;\tsize:4;\tsigned:1;\n")))
            trace.record(0, 1000, WrittenTrace.common(99, 7) + WrittenTrace.le(Int32(5)))
            trace.flush(0, 1001, 7, 3, 1)
            return trace
        }()
        try trace.open { path in
            let odd = try #require(try objects("events", "--format", "json", path).first)
            #expect(odd["fields"] as? [String: Int] == ["near": 5])
            let lines = try Program.lazytlb("events", path).text.split(separator: "\n")
            #expect(lines.first?.hasSuffix(": odd:                   near=5") == true, "\(lines)")
        }
    }
}

import Foundation
import LazyTLB
import Reconstruction
@testable import Replay
import Report
import Testing
import TraceData

/// Rows of a timeline whose names are what a hostile program may call itself.
@Suite struct TimelineLinesTests {
    private static let hostile: [[UInt8]] = [
        Array("a,\"b\"".utf8), Array("a\nb,c".utf8), Array("\u{1b}[31mred".utf8), [0x61, 0xff, 0xfe, 0x22], Array("a\u{202e}gpj".utf8),
        Array("\\\"".utf8), Array("tab\there".utf8), Array("=1+1".utf8), Array("{\"a\":1}".utf8), [0x7f, 0xc2, 0x9b],
    ]

    /// The output for a row with task name and mm of `comm`.
    private func lines(_ format: TimelineFormat, _ comm: [UInt8], pid: Int32 = 7) throws -> String {
        var mms = MMTable()
        let mm = mms.add(pid: 7, name: Comm(comm).description)
        let interval = Interval(
            cpu: 1, start: 1_000_000_005, end: 1_000_002_005, pid: pid, comm: Comm(comm), mm: .none, loaded: mm, active: .initMM, basis: .hardware)
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("lazytlb-\(UUID().uuidString)").path
        #expect(FileManager.default.createFile(atPath: path, contents: nil))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = try #require(FileHandle(forWritingAtPath: path))
        let writer = ByteWriter(descriptor: file.fileDescriptor)
        let output = format.output(
            to: writer, TimelineSubject(trace: "<trace>", evidence: "all", clock: "local", unit: .ns, cpus: 2, span: interval.start..<interval.end))
        output.begin()
        output.add(interval, mms)
        output.end()
        try writer.finish()
        return String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    }

    /// The fields of each record of a CSV text (RFC 4180).
    private func csv(_ text: String) -> [[String]] {
        var records: [[String]] = [[""]]
        var isQuoted = false
        var scalars = Array(text.unicodeScalars)[...]
        while let scalar = scalars.popFirst() {
            let last = (records.count - 1, records[records.count - 1].count - 1)
            switch scalar {
            case "\"" where isQuoted && scalars.first == "\"": records[last.0][last.1].unicodeScalars.append(scalars.removeFirst())
            case "\"": isQuoted.toggle()
            case "," where !isQuoted: records[last.0].append("")
            case "\n" where !isQuoted: records.append([""])
            default: records[last.0][last.1].unicodeScalars.append(scalar)
            }
        }
        return records.dropLast()
    }

    private func hasControl(_ text: String) -> Bool {
        text.unicodeScalars.contains { $0.properties.generalCategory == .control || $0.properties.generalCategory == .format }
    }

    @Test(arguments: hostile)
    func aHostileNameStaysInItsCSVField(_ comm: [UInt8]) throws {
        let records = csv(try lines(.csv, comm))
        try #require(records.count == 2)
        #expect(records[0] == ["cpu", "start_ns", "end_ns", "pid", "comm", "mm", "loaded_mm", "state", "active_mm", "evidence"])
        try #require(records[1].count == 10)
        #expect(records[1][0...3] == ["1", "1000000005", "1000002005", "7"])
        #expect(records[1][4] == printable(nameFromTrace(Comm(comm).bytes)))
        #expect(records[1][5] == "")
        #expect(records[1][7...9] == ["lazy", "init_mm", "hardware"])
        #expect(!records[1].contains(where: hasControl))
    }

    /// A task that no record names is not one whose pid is negative.
    @Test func aTaskWithoutANameHasAPlaceForIt() throws {
        #expect(try lines(.text, []).split(separator: "\n").last?.contains(" <...>-7 ") == true)
        #expect(try lines(.json, []).contains("\"comm\": null") || lines(.json, []).contains("\"comm\":null"))
        #expect(csv(try lines(.csv, [])).last?[4] == "")
    }

    @Test(arguments: hostile)
    func aHostileNameIsAJSONString(_ comm: [UInt8]) throws {
        let text = try lines(.json, comm)
        #expect(text.split(separator: "\n").count == 1)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["comm"] as? String == nameFromTrace(Comm(comm).bytes))
        #expect(object["mm"] is NSNull)
        #expect(object["start_ns"] as? UInt64 == 1_000_000_005)
        #expect(object["active_mm"] as? String == "init_mm")
    }

    @Test(arguments: hostile)
    func aHostileNameIsThatOfASlice(_ comm: [UInt8]) throws {
        let file = try #require(try JSONSerialization.jsonObject(with: Data(try lines(.perfetto, comm).utf8)) as? [String: Any])
        let names = try #require(file["traceEvents"] as? [[String: Any]]).filter { $0["ph"] as? String == "B" }.map { $0["name"] as? String }
        // The task, the mm that is loaded, the state, and the other mm that the bookkeeping has.
        let name = nameFromTrace(Comm(comm).bytes)
        #expect(names == ["\(name)-7", "\(name):7", "lazy", "init_mm"])
    }

    @Test(arguments: hostile)
    func aHostileNameMovesNoCursor(_ comm: [UInt8]) throws {
        let text = try lines(.text, comm)
        #expect(text.split(separator: "\n").count == 2)
        #expect(!hasControl(text.filter { $0 != "\n" }))
    }

    @Test func whoRunsIsEmptyWhereItIsNotKnown() throws {
        let fields = csv(try lines(.csv, Array("x".utf8), pid: -1))[1]
        #expect(fields[3...4] == ["", ""])
        #expect(csv(try lines(.csv, [], pid: 0))[1][3...4] == ["0", "swapper/1"])
        let object = try JSONSerialization.jsonObject(with: Data(try lines(.json, Array("x".utf8), pid: -1).utf8)) as? [String: Any]
        #expect(object?["pid"] is NSNull)
        #expect(object?["comm"] is NSNull)
    }
}

import Foundation
import LazyTLB
import Reconstruction
import Testing
import TraceData

@testable import Replay
@testable import Report

/// What is written in quick ways is what the plain ones give.
@Suite struct ByteWriterTests {
    private static let numbers: [UInt64] = (0..<20).flatMap { exponent in
        let power = (0..<exponent).reduce(1 as UInt64) { result, _ in result &* 10 }
        return [power - 1, power, power + 1, power / 2, power &* 7]
    } + [.max, .max - 1, 4_294_967_295, 4_294_967_296]

    @Test func numbersHaveTheirDigits() {
        for number in Self.numbers {
            #expect(ByteWriter.string { $0.decimal(number) } == String(number))
            #expect(decimalDigits(number) == String(number).count)
            for width in [1, 2, 3, 9, 24] {
                let text = String(number)
                #expect(ByteWriter.string { $0.decimal(number, width: width) } == String(repeating: "0", count: max(0, width - text.count)) + text)
                #expect(ByteWriter.string { $0.decimal(number, columns: width) } == String(repeating: " ", count: max(0, width - text.count)) + text)
            }
        }
        for number in [Int64.min, -10, -1, 0, 1, .max] { #expect(ByteWriter.string { $0.signed(number) } == String(number)) }
    }

    /// More than the buffer has room for.
    @Test(arguments: [1 << 16, 1 << 16 + 1, 200_000]) func aStringMayBeLong(length: Int) {
        let text = String(repeating: "0123456789", count: length / 10 + 1)
        #expect(ByteWriter.string { $0.string(text); $0.byte(0x21) } == text + "!")
    }

    @Test func spacesAreAsManyAsAskedFor() {
        for count in [-3, 0, 1, 15, 16, 17, 100] { #expect(ByteWriter.string { $0.spaces(count); $0.text("|") } == String(repeating: " ", count: max(0, count)) + "|") }
    }

    /// Each byte at each place of names of all lengths: shown as the function shows it that looks at scalars.
    @Test func namesAreFitForATerminal() {
        for length in 1...16 {
            for place in Set([0, length / 2, min(7, length - 1), min(8, length - 1), length - 1]) {
                for byte in UInt8(1)...255 {
                    var bytes = Array("abcdefghijklmnop".utf8.prefix(length))
                    bytes[place] = byte
                    let expected = printable(nameFromTrace(bytes))
                    let comm = Comm(bytes)
                    #expect(comm.count == length)
                    #expect(ByteWriter.string { $0.printable(comm) } == expected)
                    #expect(ByteWriter.string { $0.printable(comm, columns: 16) } == String(repeating: " ", count: 16 - length) + expected)
                    #expect(ByteWriter.string { writer in bytes.withUnsafeBytes { writer.printable($0) } } == expected)
                    #expect(ByteWriter.string { _ = $0.plain(comm) }.isEmpty == (expected != String(decoding: bytes, as: UTF8.self) || byte == 0))
                }
            }
        }
    }

    /// Pieces of all kinds over the end of the buffer, again and again.
    @Test func nothingIsLostWhereTheBufferEnds() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("lazytlb-\(UUID().uuidString)").path
        #expect(FileManager.default.createFile(atPath: path, contents: nil))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let file = try #require(FileHandle(forWritingAtPath: path))
        let writer = ByteWriter(descriptor: file.fileDescriptor)
        let labels = Labels()
        let texts = (0..<40).map { String("label of some length, up to forty bytes.".prefix($0)) }
        let all = texts.map { labels.add($0) }
        var expected = ""
        for round in 0..<20_000 {
            labels.write(all[round % 40], to: writer)
            writer.decimal(UInt64(round), width: round % 5 + 1)
            writer.spaces(round % 20)
            writer.printable(Comm("name\(round)"), columns: 12)
            writer.text("; constant\n")
            let number = String(round), name = "name\(round)"
            expected += texts[round % 40] + String(repeating: "0", count: max(0, round % 5 + 1 - number.count)) + number
            expected += String(repeating: " ", count: round % 20 + max(0, 12 - name.count)) + name + "; constant\n"
        }
        try writer.finish()
        #expect(try String(contentsOfFile: path, encoding: .utf8) == expected)
    }

    /// Halves go up, exactly: no binary fraction of a decimal one decides.
    @Test(arguments: [
        (0, "0 ns"), (999, "999 ns"), (1_000, "1.00 µs"), (1_004, "1.00 µs"), (1_005, "1.01 µs"), (9_915, "9.92 µs"), (9_994, "9.99 µs"), (9_995, "10.0 µs"),
        (99_949, "99.9 µs"), (99_950, "100 µs"), (999_499, "999 µs"), (999_500, "1.00 ms"), (12_350_000, "12.4 ms"), (999_499_999, "999 ms"),
        (999_500_000, "1.00 s"), (9_994_999_999, "9.99 s"), (9_995_000_000, "10.0 s"), (999_499_999_999, "999 s"), (999_500_000_000, "1,000 s"),
        (1_234_567_000_000_000, "1,234,567 s"), (UInt64.max, "18,446,744,074 s"),
    ])
    func spansHaveThreeDigits(ns: UInt64, text: String) {
        #expect(TimeFormat(unit: .ns).duration(ns) == text)
        // The same in a row of a timeline, in its column or beyond.
        let interval = Interval(cpu: 0, start: 0, end: ns, pid: 1, comm: "a", mm: .none, loaded: .initMM, active: .initMM, basis: .unknown)
        let row = ByteWriter.string { TimelineLines(.text, to: $0, unit: .ns).add(interval, MMTable()) }
        #expect(row.hasPrefix("  0      0.000000000 " + String(repeating: " ", count: max(0, 9 - text.count)) + text + " a-1 "))
    }

    /// So many that what they are kept in grows under way.
    @Test func eachMMHasItsOwnName() {
        var mms = MMTable()
        let all = (0..<3_000).map { mms.add(pid: 10_000 + Int32($0), name: "process \($0)") }
        for format in TimelineLines.Format.allCases {
            var texts: [String] = []
            let lines = (0..<30).map { chunk in
                ByteWriter.string { writer in
                    let lines = TimelineLines(format, to: writer, unit: .ns)
                    for mm in all[chunk * 100..<chunk * 100 + 100] {
                        lines.add(Interval(cpu: 0, start: 0, end: 5, pid: 1, comm: "a", mm: mm, loaded: mm, active: .initMM, basis: .exact), mms)
                    }
                }
            }
            for chunk in lines { texts += chunk.split(separator: "\n").map(String.init) }
            #expect(texts.count == 3_000)
            for (index, text) in texts.enumerated() {
                let name = "process \(index):\(10_000 + index)"
                #expect(text.components(separatedBy: name).count == 3, "\(text) lacks \(name) twice")
            }
        }
    }
}

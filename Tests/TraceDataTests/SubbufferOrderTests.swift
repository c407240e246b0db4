import Foundation
import TestSupport
import Testing
import TraceSynth

@testable import TraceData

/// Sub-buffers that do not stand where the kernel wrote them.
struct SubbufferOrderTests {
    private struct Recording {
        var data: Data
        /// Of CPU 0.
        var pages: [Range<Int>]
        /// Times of CPU 0's records, by sub-buffer.
        var times: [[UInt64]]
    }

    private static let good: Recording = {
        try! withTemporaryPath { path in
            var options = SynthOptions()
            (options.cpus, options.events, options.tasks) = (2, 1500, 8)
            _ = try synthesize(options, to: path)
            let file = try TraceFile(path: path)
            let extent = try #require(file.buffer.cpus.first)
            let size = file.buffer.pageSize
            let pages = (0..<Int(extent.size) / size).map { Int(extent.offset) + $0 * size ..< Int(extent.offset) + ($0 + 1) * size }
            let data = try Data(contentsOf: URL(fileURLWithPath: path))
            let times = try pages.map { page in
                let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
                defer { copy.deallocate() }
                data[page].withUnsafeBytes { copy.copyMemory(from: $0) }
                var walker = try SubbufferWalker(UnsafeRawBufferPointer(copy), shape: SubbufferShape(bigEndian: false, longSize: 8, size: size))
                var times: [UInt64] = []
                while try walker.advance() { times.append(walker.time) }
                return times
            }
            return Recording(data: data, pages: pages, times: times)
        }
    }()

    private func check(_ order: [Int], skipped: [Int]) throws {
        let good = Self.good
        var data = good.data
        for (place, page) in order.enumerated() { data.replaceSubrange(good.pages[place], with: good.data[good.pages[page]]) }
        try withTemporaryFile(data) { path in
            let file = try TraceFile(path: path, options: .init(keepGoing: true))
            let error = #expect(throws: TraceError.self) { try DamagedFileTests.digests(try TraceFile(path: path)) }
            #expect(error?.offset == UInt64(good.pages[skipped[0]].lowerBound))
            #expect(error?.cause.hasPrefix("time goes back by ") == true)

            // What is left out is said, and makes a gap; the rest is as it was.
            var times: [UInt64] = []
            var gaps = 0
            var record = Record.none
            let stream = file.stream(cpu: 0)
            while try stream.next(&record) { if record.kind == .lost { gaps += 1 } else { times.append(record.time) } }
            let kept = order.indices.filter { !skipped.contains($0) }.map { order[$0] }
            #expect(times == kept.flatMap { good.times[$0] })
            #expect(gaps > 0)
            #expect(file.problems.compactMap(\.error.offset) == skipped.map { UInt64(good.pages[$0].lowerBound) })
        }
    }

    @Test func `of two sub-buffers that have changed places the earlier one is left out`() throws {
        try check([1, 0] + Self.good.pages.indices.dropFirst(2), skipped: [1])
    }

    @Test func `a sub-buffer that comes twice counts once`() throws {
        try check([0, 0] + Self.good.pages.indices.dropFirst(2), skipped: [1])
    }

    @Test func `in reverse order only the last one is left`() throws {
        let count = Self.good.pages.count
        try check(Self.good.pages.indices.reversed(), skipped: Array(1..<count))
    }

    /// As after the clock of a machine was set back within a sub-buffer.
    @Test func `an absolute time before the time that was reached is damage`() throws {
        var page = PageBuilder()
        page.time = 1 << 40
        page.record([UInt8](repeating: 1, count: 8), delta: 5)
        page.head(type: 31, delta: 0)
        page.word(1)
        page.record([UInt8](repeating: 1, count: 8), delta: 5)
        #expect(throws: SubbufferDamage(offset: 28, cause: .timeGoesBack((1 << 40) + 5, to: 1 << 27))) { try page.walk() }
    }

    @Test func `records of an event that is not declared are counted where nobody reads them`() throws {
        try withTemporaryPath { path in
            var options = SynthOptions()
            (options.cpus, options.events, options.tasks, options.mix) = (2, 3000, 8, .forks)
            let truth = try synthesize(options, to: path)
            var data = try Data(contentsOf: URL(fileURLWithPath: path))
            let name = try #require(data.range(of: Data("name: task_newtask\nID: ".utf8)))
            data[name.upperBound] ^= 1
            try data.write(to: URL(fileURLWithPath: path))
            let report = try Program.lazytlb("report", path)
            #expect(report.status == 0)
            let note = report.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(note.contains("\(try #require(truth.records["task_newtask"])) records are of events that the file does not declare"))
        }
    }
}

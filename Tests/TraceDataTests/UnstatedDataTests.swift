import Foundation
import TestSupport
import Testing
import TraceSynth
import TraceWriting

@testable import TraceData

/// What a file holds and does not state: its sizes and numbers were larger once.
struct UnstatedDataTests {
    private struct Recording {
        var data: Data
        var extents: [TraceBuffer.Extent]
        /// CPU 0's records before each of its sub-buffers, and all of them.
        var counts: [Int]
    }

    private static func recording(_ version: TraceFileVersion) throws -> Recording {
        try withTemporaryPath { path in
            var options = SynthOptions()
            (options.cpus, options.events, options.tasks, options.version) = (2, 1500, 8, version)
            _ = try synthesize(options, to: path)
            let file = try TraceFile(path: path)
            let data = try Data(contentsOf: URL(fileURLWithPath: path))
            var counts = [0]
            var source = file.subbuffers(cpu: 0)
            while let page = try source.next() {
                var walker = try SubbufferWalker(page, shape: source.shape)
                counts.append(counts.last!)
                while try walker.advance() { counts[counts.count - 1] += 1 }
            }
            return Recording(data: data, extents: file.buffer.cpus, counts: counts)
        }
    }

    private static let pageSize = 4096

    /// CPU 0's records, and how many of them come before its first gap.
    private func read(_ path: String) throws -> (error: TraceError?, records: Int, beforeGap: Int?, problems: [TraceProblem]) {
        var error: TraceError?
        do throws(TraceError) { for cpu in 0..<2 { try readAll(TraceFile(path: path).stream(cpu: cpu)) } } catch let thrown { error = thrown }
        let file = try TraceFile(path: path, options: .init(keepGoing: true))
        var (records, beforeGap) = (0, Int?.none)
        let stream = file.stream(cpu: 0)
        var record = Record.none
        while try stream.next(&record) { if record.kind == .lost { beforeGap = beforeGap ?? records } else { records += 1 } }
        try readAll(file.stream(cpu: 1))
        return (error, records, beforeGap, file.problems)
    }

    private func error(_ data: Data) throws -> TraceError? { try withTemporaryFile(data) { try read($0).error } }

    private func readAll(_ stream: CPUStream) throws(TraceError) {
        var record = Record.none
        while try stream.next(&record) {}
    }

    private func set(_ data: inout Data, _ place: Int, _ value: UInt64, _ size: Int) {
        for byte in 0..<size { data[place + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte)) }
    }

    @Test(arguments: [0, 2, -1]) func `a sub-buffer that states no records and is not empty is damaged`(index: Int) throws {
        let good = try Self.recording(.v6)
        let pages = good.counts.count - 1
        let page = index < 0 ? pages - 1 : index
        var data = good.data
        let place = Int(good.extents[0].offset) + page * Self.pageSize
        set(&data, place + 8, 0, 8)
        try withTemporaryFile(data) { path in
            let result = try read(path)
            #expect(result.error?.offset == UInt64(place + 8))
            #expect(result.error?.cause == "sub-buffer claims 0 bytes of records, and has bytes behind them that are not zero")
            #expect(result.problems.map(\.error.offset) == [UInt64(place + 8)])
            let (before, behind) = (good.counts[page], good.counts[pages] - good.counts[page + 1])
            #expect(result.records == before + behind)
            #expect(result.beforeGap == before)
        }
    }

    @Test func `so is one in the middle that states much less than it holds, whose records count`() throws {
        let good = try Self.recording(.v6)
        var data = good.data
        let place = Int(good.extents[0].offset) + Self.pageSize
        // Up to the end of its first record.
        let first = 4 + Int(data[place + 16] & 31) * 4
        set(&data, place + 8, UInt64(first), 8)
        try withTemporaryFile(data) { path in
            let result = try read(path)
            #expect(result.error?.cause == "sub-buffer claims \(first) bytes of records, and has bytes behind them that are not zero")
            #expect(result.beforeGap == good.counts[1] + 1)
            #expect(result.records == good.counts.last! - (good.counts[2] - good.counts[1]) + 1)
        }
    }

    /// Whoever maps the kernel's buffer finds there what was written before the last time around.
    @Test func `old bytes behind the records of a full sub-buffer, and of the last one, are none`() throws {
        let good = try Self.recording(.v6)
        var data = good.data
        for page in 0..<good.counts.count - 1 {
            let place = Int(good.extents[0].offset) + page * Self.pageSize
            let length = Int(data[place + 8]) | Int(data[place + 9]) << 8
            for byte in place + 16 + length..<place + Self.pageSize { data[byte] = 0xa5 }
        }
        try withTemporaryFile(data) { path in
            let result = try read(path)
            #expect(result.error == nil)
            #expect(result.records == good.counts.last)
        }
    }

    @Test func `the count of missed events behind the records is not one of them`() throws {
        let good = try Self.recording(.v6)
        var data = good.data
        let place = Int(good.extents[0].offset)
        // RB_MISSED_EVENTS and RB_MISSED_STORED: as the kernel leaves a sub-buffer with one record.
        let first = 4 + Int(data[place + 16] & 31) * 4
        set(&data, place + 8, UInt64(first) | 3 << 30, 8)
        set(&data, place + 16 + first, 17, 8)
        for byte in place + 24 + first..<place + Self.pageSize { data[byte] = 0 }
        #expect(try error(data) == nil)
        data[place + Self.pageSize - 1] = 1
        #expect(try error(data)?.offset == UInt64(place + 8))
    }

    @Test func `version 6: a sub-buffer is not longer than the kernel says`() throws {
        let good = try Self.recording(.v6)
        var data = good.data
        set(&data, 14, 20 * 4096, 4)
        try withTemporaryFile(data) { path in
            let result = try read(path)
            #expect(result.records == good.counts.last && result.beforeGap == nil && result.problems.count == 1)
            #expect(DamagedFileTests.failure(path)?.cause == "header_page tells of sub-buffers of 4096 bytes, the file's head of 81920")
        }
    }

    @Test func `version 6: the data of a CPU that the table leaves out is missed`() throws {
        let good = try Self.recording(.v6)
        let file = good.data + Data(repeating: 0, count: 4096)
        try withTemporaryFile(file) { #expect(DamagedFileTests.failure($0) == nil) }
        var data = good.data
        let word = try #require(data.range(of: Data("options  \0".utf8)))
        set(&data, word.lowerBound - 4, 1, 4)
        try withTemporaryFile(data) { path in
            let error = DamagedFileTests.failure(path)
            #expect(error?.offset == good.extents[1].offset)
            #expect(error?.cause == "the file goes on for \(good.extents[1].size) bytes behind the data of its last CPU")
            let going = try TraceFile(path: path, options: .init(keepGoing: true))
            #expect(going.cpusWithData == [0] && going.problems.count == 1)
        }
    }

    /// trace-cmd writes an instance behind the top buffer's data, with a table even if it has no records. A clock's text follows if there is a TRACECLOCK option.
    @Test(arguments: [nil, "[local] global"]) func `version 6: the table of an instance without records is no data that is missed`(clock: String?) throws {
        let le = { (value: UInt64) in WrittenTrace.le(value) }
        var trace = WrittenTrace(cpus: 2)
        trace.clock = clock
        for cpu in 0..<2 { trace.flush(cpu, 1000, 1, 0, -1) }
        func option(at place: Int) -> [UInt8] { WrittenTrace.le(UInt16(OptionID.buffer)) + WrittenTrace.le(UInt32(12)) + le(UInt64(place)) + Array("lab\0".utf8) }
        trace.options = option(at: 0)
        let end = trace.data.count
        trace.options = option(at: end)
        let table = Array("flyrecord\0".utf8) + (0..<2).flatMap { _ in le(UInt64(end)) + le(0) }
        let data = trace.data + table + (clock == nil ? [] : le(7) + Array("[local]".utf8))
        for file in [data, data + Data(repeating: 0, count: 4096)] {
            try withTemporaryFile(file) { path in
                let trace = try TraceFile(path: path)
                #expect(trace.buffers.map(\.name) == ["", "lab"])
                #expect(trace.buffers.map { $0.cpus.count { $0.size > 0 } } == [2, 0])
            }
        }
        try withTemporaryFile(data + Data([1])) { path in
            let error = DamagedFileTests.failure(path)
            #expect(error?.offset == UInt64(data.count))
            #expect(error?.cause == "the file goes on for 1 bytes behind the data of its last CPU")
        }
    }

    /// A CPU, its place and its size in the table of the buffer.
    private func tableEntry(_ extent: TraceBuffer.Extent) -> Data {
        var entry = Data(repeating: 0, count: 20)
        set(&entry, 0, UInt64(extent.cpu), 4)
        set(&entry, 4, extent.offset, 8)
        set(&entry, 12, extent.size, 8)
        return entry
    }

    /// trace-cmd 3.1.6 leaves it out.
    @Test func `version 7: the stated size of a CPU's data may count the number of its chunks`() throws {
        let good = try Self.recording(.v7)
        var extent = good.extents[0]
        let entry = tableEntry(extent)
        extent.size += 4
        var data = good.data
        data.replaceSubrange(try #require(data.range(of: entry)), with: tableEntry(extent))
        for data in [good.data, data] {
            try withTemporaryFile(data) { path in
                let result = try read(path)
                #expect(result.error == nil)
                #expect(result.records == good.counts.last && result.problems.isEmpty)
            }
        }
    }

    @Test func `version 7: so is a CPU that the buffer leaves out`() throws {
        let good = try Self.recording(.v7)
        var data = good.data
        // CPU 0, its place and its size: the first entry of the table, behind the number of CPUs.
        let entry = Data([2, 0, 0, 0]) + tableEntry(good.extents[0])
        let place = try #require(data.range(of: entry)).lowerBound
        set(&data, place, 1, 4)
        try withTemporaryFile(data) { path in
            #expect(DamagedFileTests.failure(path)?.cause == "buffer \"\" states 1 CPUs, and has the places of more")
            let going = try TraceFile(path: path, options: .init(keepGoing: true))
            #expect(going.cpusWithData == [0] && going.problems.count == 1)
        }
    }

    /// `cat a.dat b.dat`.
    @Test func `version 7: so is what comes behind the last section`() throws {
        let good = try Self.recording(.v7)
        // A section that no option points to, as a later trace-cmd may have them.
        var section = Data(repeating: 1, count: 24)
        set(&section, 0, 99, 2)
        set(&section, 8, 8, 8)
        // That of trace-cmd's names of sections, wherever it is cut off.
        var names = section
        set(&names, 0, 15, 2)
        let cuts = [1, 2, 9, 16, 17, 24].map { names.prefix($0) }
        for more in [Data(repeating: 0, count: 4096), section] + cuts { try withTemporaryFile(good.data + more) { #expect(DamagedFileTests.failure($0) == nil) } }
        try withTemporaryFile(good.data + good.data) { path in
            let error = DamagedFileTests.failure(path)
            #expect(error?.offset == UInt64(good.data.count))
            #expect(error?.cause == "the file goes on for \(good.data.count) bytes behind its last section")
            let result = try read(path)
            #expect(result.records == good.counts.last && result.beforeGap == nil)
            #expect(result.problems.map(\.error) == [error])
        }
    }

    @Test func `version 7: so are chunks that are not counted`() throws {
        let good = try Self.recording(.v7)
        var data = good.data
        set(&data, Int(good.extents[0].offset), 0, 4)
        try withTemporaryFile(data) { path in
            let error = DamagedFileTests.failure(path)
            #expect(error?.offset == good.extents[0].offset + 4)
            #expect(error?.cause == "the data of the CPU goes on for \(good.extents[0].size) bytes behind its last chunk")
            let result = try read(path)
            #expect(result.records == 0 && result.problems.count == 1)
        }
    }

    @Test(arguments: [true, false]) func `a record that is longer than its event's holds the next one`(inBatches: Bool) throws {
        let good = try Self.recording(.v6)
        var data = good.data
        // The first record of CPU 0 that is a sched_switch of 64 bytes with a tlb_flush of 24 behind it.
        var place = Int(good.extents[0].offset) + 16
        while !(data[place] & 31 == 16 && data[place + 68] & 31 == 6) { place += 4 + Int(data[place] & 31) * 4 }
        data[place] = data[place] & 0xe0 | 23
        try withTemporaryFile(data) { path in
            var error: TraceError?
            if inBatches {
                let batch = RecordBatch(capacity: 4096)
                try TraceFile(path: path).stream(cpu: 0).fill(batch, probes: false)
                error = batch.error
            } else {
                error = DamagedFileTests.failure(path)
            }
            #expect(error?.offset == UInt64(place + 4))
            #expect(error?.cause == "record of sched:sched_switch has 92 bytes, its fields end at 64")
            let result = try read(path)
            #expect(result.records == good.counts.last! - 2 && result.beforeGap != nil)
        }
    }
}

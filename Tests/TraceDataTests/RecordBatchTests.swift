import Foundation
import Synchronization
import TestSupport
import Testing
import TraceSynth

@testable import TraceData

/// Batches hold what the stream gives record by record, wherever they end, and whichever thread fills them.
@Suite struct RecordBatchTests {
    /// A record in words that two ways of reading must agree on.
    private struct Seen: Equatable {
        var time, word0, word1: UInt64
        var comm: Comm
        var cpu, pid: Int32
        var kind: Record.Kind
        var flags: UInt8
        var detail: Details
    }

    private static func oneByOne(_ file: TraceFile, cpu: Int) throws -> [Seen] {
        let stream = file.stream(cpu: cpu)
        var record = Record.none
        var seen: [Seen] = []
        while try stream.next(&record) {
            if record.kind == .other { continue }
            // A gap is told from its begin on.
            let time = record.kind == .lost && record.word1 > 0 ? record.word1 : record.time
            seen.append(
                Seen(
                    time: time, word0: record.word0, word1: record.word1,
                    comm: record.kind == .schedSwitch ? file.formats.schedSwitchComms(record).next : .empty, cpu: record.cpu, pid: record.pid,
                    kind: record.kind, flags: record.flags, detail: Details(record, file.formats)))
        }
        return seen
    }

    /// - Parameter isHelped: another thread reads ahead now and then, and batches are given away.
    private static func batched(_ file: TraceFile, cpu: Int, from pool: BatchPool, queue: DispatchQueue?, isHelped: Bool = false) throws -> (seen: [Seen], records: Int) {
        let reader = BatchReader(file.stream(cpu: cpu), from: pool, probes: true, queue: queue, givesAway: isHelped)
        let helper = isHelped ? Helper(reader) : nil
        defer { helper?.stop() }
        reader.start()
        var seen: [Seen] = []
        var records = 0
        while true {
            let batch = reader.next()
            records += batch.records
            var place = batch.start
            while place < batch.end {
                let held = Held(place)
                seen.append(
                    Seen(
                        time: held.time, word0: held.word0, word1: held.word1, comm: held.kind == .schedSwitch ? held.comm : .empty,
                        cpu: held.cpu, pid: held.pid, kind: held.kind, flags: held.flags, detail: batch[held]))
                place += 1
            }
            if let error = batch.error { throw error }
            defer { if isHelped { pool.give(batch) } }
            if batch.isLast { return (seen, records) }
            reader.readAhead()
        }
    }

    /// A thread that reads ahead whenever it can, until it is stopped.
    private final class Helper: Sendable {
        private let goesOn = Atomic(true)
        private let isDone = DispatchSemaphore(value: 0)

        init(_ reader: BatchReader) {
            Thread.detachNewThread { [self] in
                while goesOn.load(ordering: .relaxed) { if !reader.help() { sched_yield() } }
                isDone.signal()
            }
        }

        func stop() {
            goesOn.store(false, ordering: .relaxed)
            isDone.wait()
        }
    }

    @Test(arguments: Recordings.chosen)
    func batchesHoldWhatTheStreamGives(path: String) throws {
        let file = try TraceFile(path: path)
        // From the second CPU on batches have been used before.
        let pools = [7, 100, 1 << 20].map { (capacity: $0, pool: BatchPool(capacity: $0)) }
        for cpu in file.cpusWithData {
            let expected = try Self.oneByOne(file, cpu: cpu)
            for (capacity, pool) in pools {
                for isHelped in [false, true] {
                    let found = try Self.batched(file, cpu: cpu, from: pool, queue: capacity == 100 && !isHelped ? DispatchQueue(label: "test") : nil, isHelped: isHelped)
                    // Not the arrays themselves: a failure would print them.
                    let same = found.seen == expected
                    #expect(same, "CPU \(cpu), batches of \(capacity)\(isHelped ? ", helped" : "")")
                }
            }
        }
    }

    /// What the queue reads has its place in the order from there: a batch that another thread took meanwhile would have none, and its records would be lost.
    @Test func whatAQueueReadsNobodyElseDoes() throws {
        let file = try TraceFile(path: Recordings.fixture("v4.12-threads-4cpu-plain.dat"))
        let order = MergeAhead(sources: 1, isConcurrent: true, keeping: nil)
        let reader = BatchReader(
            file.stream(cpu: file.cpusWithData[0]), from: BatchPool(capacity: 50), probes: false, queue: DispatchQueue(label: "test"), order: order, givesAway: true)
        reader.start()
        var (records, ordered) = (0, 0)
        while true {
            let batch = reader.next()
            records += batch.end - batch.start
            // The next one is not begun yet.
            #expect(!reader.help())
            if batch.isLast { break }
            reader.readAhead()
        }
        while ordered < records {
            let run = order.next()
            ordered += run.indices.count
            if run.isLast { break }
        }
        #expect(ordered == records)
    }

    @Test func allRecordsCountThoughSomeAreNotKept() throws {
        let file = try TraceFile(path: Recordings.fixture("v4.12-threads-4cpu-plain.dat"))
        for cpu in file.cpusWithData {
            let stream = file.stream(cpu: cpu)
            var record = Record.none
            var count = 0
            while try stream.next(&record) { if record.kind != .lost { count += 1 } }
            #expect(try Self.batched(file, cpu: cpu, from: BatchPool(capacity: 50), queue: nil).records == count)
        }
    }

    /// What was lost may have happened at any time between the records on both sides.
    @Test func aGapBeginsAtTheRecordBeforeIt() throws {
        var trace = WrittenTrace(cpus: 1)
        trace.run(0, 1000, 0, 7)
        trace.lose(0)
        trace.turn(0)
        trace.run(0, 5000, 7, 0)
        try trace.open { path in
            let batch = BatchReader(try TraceFile(path: path).stream(cpu: 0), from: BatchPool(capacity: 100), probes: false, queue: nil).next()
            let held = (0..<batch.end - batch.start).map { Held(batch.start + $0) }
            #expect(held.map(\.kind) == [.schedSwitch, .lost, .schedSwitch])
            #expect(held.map(\.time) == [1000, 1000, 5000])
        }
    }

    /// tracing_mark_write(), kernel/trace/trace.c: whoever writes into trace_marker is a task. With interrupts off it is the kernel's trace_printk().
    @Test func whatTheKernelPrintsIsNoMarker() throws {
        var trace = WrittenTrace(cpus: 1)
        trace.formats.append(WrittenTrace.marker)
        trace.mark(0, 1000, Array("a task's\n".utf8))
        trace.mark(0, 2000, Array("an interrupt's\n".utf8), flags: 1)
        try trace.open { path in
            let stream = try TraceFile(path: path).stream(cpu: 0)
            var record = Record.none
            var kinds: [Record.Kind] = []
            while try stream.next(&record) { kinds.append(record.kind) }
            #expect(kinds == [.marker, .other])
        }
    }

    @Test func anErrorComesBehindTheRecordsBeforeIt() throws {
        // Version 6, whose data is never compressed: a byte of it can be changed.
        let path = NSTemporaryDirectory() + "lazytlb-test-\(UUID().uuidString).dat"
        var options = SynthOptions()
        options.events = 20_000
        options.cpus = 2
        _ = try synthesize(options, to: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let good = try TraceFile(path: path)
        let cpu = good.cpusWithData[0]
        let extent = try #require(good.buffer.cpus.first { $0.cpu == cpu })
        // The third sub-buffer claims more than it can hold.
        let place = Int(extent.offset) + 2 * good.pageSize + 8
        bytes.replaceSubrange(place..<place + 4, with: [0xff, 0xff, 0x00, 0x00])
        try bytes.write(to: URL(fileURLWithPath: path))
        let file = try TraceFile(path: path)
        let reader = BatchReader(file.stream(cpu: cpu), from: BatchPool(capacity: 1 << 16), probes: false, queue: nil)
        let batch = reader.next()
        #expect(batch.end > batch.start)
        #expect(batch.isLast)
        #expect(batch.error?.offset == UInt64(place))
    }

    /// A batch of 16,384 markers with 64 KiB each would have a GiB, and a small file may hold any number of them.
    @Test func aBatchHoldsNoMoreThanAMebibyteOfMarkers() throws {
        var trace = WrittenTrace(cpus: 1, pageSize: 1 << 16)
        trace.formats.append(WrittenTrace.marker)
        for index in 0..<300 { trace.mark(0, UInt64(1000 + index), [UInt8](repeating: 0x41, count: 60_000)) }
        for index in 0..<1000 { trace.mark(0, UInt64(2000 + index), [UInt8](repeating: 0x42, count: 4000)) }
        trace.mark(0, 3000, Array("the last one\n".utf8))
        try trace.open { path in
            let file = try TraceFile(path: path)
            let reader = BatchReader(file.stream(cpu: 0), from: BatchPool(capacity: 16384), probes: false, queue: nil)
            var times: [UInt64] = []
            var texts: [String] = []
            while true {
                let batch = reader.next()
                let held = (0..<batch.end - batch.start).map { Held(batch.start + $0) }
                #expect(held.reduce(0) { $0 + batch[$1].text.utf8.count } < 1_100_000)
                times += held.map(\.time)
                texts += held.map { batch[$0].text }
                if batch.isLast { break }
            }
            // Not the texts themselves: a failure would print them.
            #expect(times.elementsEqual(Array(1000..<1300) + Array(2000...3000)))
            // The kernel writes 4096 bytes. Of what it cannot have written there is a part, which says that it is one.
            let expected = [(String(repeating: "A", count: 8192) + "…", 300), (String(repeating: "B", count: 4000), 1000), ("the last one", 1)].flatMap { Array(repeating: $0, count: $1) }
            let areRight = texts == expected
            #expect(areRight)
        }
    }
}

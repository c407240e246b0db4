import Foundation
import TestSupport
import Testing
import TraceData

/// What perf left out of a file as it was told to: records between samples, and those before a snapshot.
@Suite struct PerfOmissionsTests {
    private static let all: PerfWriter.SampleType = [.identifier, .ip, .tid, .time, .cpu, .period, .raw]

    /// Flushes whose event has attributes that `change` sets, in the file's order.
    private static func writer(times: [UInt64] = [1000, 2000, 3000], _ change: (inout PerfWriter.Attribute) -> Void) -> PerfWriter {
        var attribute = PerfWriter.Attribute(sampleType: all)
        attribute.config = UInt64(PerfWriter.flushID)
        change(&attribute)
        var writer = PerfWriter(attributes: [attribute])
        for time in times { writer.flush(time: time, cpu: time == 2000 ? 1 : 0) }
        return writer
    }

    private static func refusal(_ bytes: [UInt8], keepGoing: Bool = false) throws -> TraceError? {
        do {
            try Text.open(Data(bytes), keepGoing: keepGoing) { _ in }
            return nil
        } catch let error as TraceError { return error }
    }

    /// perf_swevent_event(), kernel/events/core.c: with attr.freq, and with a period above 1 where samples do not tell theirs, not every event becomes a sample. perf_tp_event_match(): with
    /// attr.exclude_kernel none of the kernel's.
    static let sampled: [(String, PerfWriter.Attribute)] = {
        var list: [(String, PerfWriter.Attribute)] = []
        func add(_ cause: String, _ change: (inout PerfWriter.Attribute) -> Void) {
            var attribute = PerfWriter.Attribute(sampleType: all)
            attribute.config = UInt64(PerfWriter.flushID)
            change(&attribute)
            list.append((cause, attribute))
        }
        add("perf took some 99 samples of tlb:tlb_flush a second, and the file lacks all other records of it") { ($0.flags, $0.period) = ([10], 99) }
        add("perf took a sample of tlb:tlb_flush every 5 times, and the file lacks all other records of it") {
            $0.period = 5
            $0.sampleType.remove(.period)
        }
        add("perf only counted tlb:tlb_flush, as one of a group ({…}:S), and the file has no records of it") { $0.period = 0 }
        add("perf left out what the kernel does (tlb:tlb_flush:u), and the file lacks nearly all records of it") { $0.flags = [5] }
        return list
    }()

    @Test(arguments: sampled, [false, true]) func anEventThatWasSampledIsRefused(_ kind: (cause: String, attribute: PerfWriter.Attribute), keepGoing: Bool) throws {
        for bigEndian in [false, true] {
            var writer = PerfWriter(bigEndian: bigEndian, attributes: [kind.attribute])
            writer.flush(time: 1000, cpu: 0)
            let error = try #require(try Self.refusal(writer.file, keepGoing: keepGoing))
            #expect(error.offset == 104)
            #expect(error.cause == "\(kind.cause); record with `perf record -c 1 -a -e sched:sched_switch -e tlb:tlb_flush …`")
            // Behind the head of the pipe and that of the record.
            let piped = try #require(try Self.refusal(writer.pipe, keepGoing: keepGoing))
            #expect((piped.offset, piped.cause) == (24, error.cause))
        }
    }

    @Test func aPeriodThatEachSampleTellsLeavesNothingOut() throws {
        let writer = Self.writer { $0.period = 5 }
        let found = try Text.open(Data(writer.file)) { try Text.records($0) }
        #expect(found.map(\.time) == [1000, 2000, 3000])
    }

    @Test func anEventThatTheReplayDoesNotUseMayBeSampled() throws {
        var writer = Self.writer { $0.ids = [11] }
        var other = PerfWriter.Attribute(sampleType: Self.all, ids: [21])
        (other.config, other.flags, other.period) = (999, [10], 4000)
        writer.attributes.append(other)
        writer.records = []
        writer.add(9, writer.sample(writer.attributes[0], id: 11, time: 1000, cpu: 0, raw: writer.flush(reason: 3, pages: 1)))
        let found = try Text.open(Data(writer.file)) { try Text.records($0) }
        #expect(found.count == 1)
    }

    /// `perf record --overwrite`: a buffer is read from its newest record back to the oldest that was not overwritten.
    @Test func whatMayHaveBeenOverwrittenIsAGapAtTheBeginOfEachCPU() throws {
        let writer = Self.writer(times: [3000, 2000, 1000]) { $0.flags = [27] }
        for bytes in [writer.file, writer.pipe] {
            try Text.open(Data(bytes)) { file in
                let found = try Text.records(file)
                #expect(found.map { "\($0.cpu) \($0.event) \($0.time)" } == ["0 lost 1000", "0 tlb_flush 1000", "1 lost 2000", "1 tlb_flush 2000", "0 tlb_flush 3000"])
                let told = "perf kept only the latest records (--overwrite): how many came before them it does not tell, so a gap is taken to begin each CPU."
                #expect(file.origin.leftOut == [told])
            }
        }
    }
}

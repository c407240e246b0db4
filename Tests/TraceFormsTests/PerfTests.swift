import Foundation
import TestSupport
import Testing
import TraceData
import TraceForms

/// perf.data with the records of a trace.dat file gives these records.
@Suite struct PerfTests {
    private static let trace = Recordings.fixture("v4.12-threads-4cpu-truth-lost.dat")
    private static let file = try! TraceFile(path: trace)
    /// Its records, without the gaps, which perf's would be others.
    private static let expected = try! Text.records(file).filter { $0.event != "lost" }

    private static func bytes(_ form: PerfData) throws -> Data { Data(try form.bytes(of: file, path: trace)) }

    private static func read(_ form: PerfData, keepGoing: Bool = false) throws -> [Text.Seen] { try Text.open(try bytes(form), keepGoing: keepGoing) { try Text.records($0) } }

    private static let base: UInt64 = 1 << 10 | 1 << 7 | 1 << 2

    static let forms: [(String, PerfData)] = {
        var forms: [(String, PerfData)] = [("as perf asks for it", PerfData())]
        func add(_ name: String, _ change: (inout PerfData) -> Void) {
            var form = PerfData()
            change(&form)
            forms.append((name, form))
        }
        add("a pipe") { $0.isPipe = true }
        add("compressed") { $0.isCompressed = true }
        add("a compressed pipe") { ($0.isPipe, $0.isCompressed) = (true, true) }
        add("big-endian") { $0.bigEndian = true }
        add("a big-endian, compressed pipe") { ($0.bigEndian, $0.isPipe, $0.isCompressed) = (true, true, true) }
        add("no more than is needed") { $0.sampleType = base }
        add("all fields") { ($0.sampleType, $0.readFormat) = (1 << 16 | 0x7ff, 0x1f) }
        add("counters of one event") { ($0.sampleType, $0.readFormat) = (base | 1 << 4, 0x17) }
        add("call chains") { $0.sampleType |= 1 << 5 }
        add("samples of another kind") { $0.hasCycles = true }
        add("samples of another kind, told apart by ID") { ($0.hasCycles, $0.sampleType) = (true, base | 1 << 6) }
        add("two buffers a CPU") { $0.hasTwoBuffers = true }
        add("two buffers a CPU, compressed") { ($0.hasTwoBuffers, $0.isCompressed) = (true, true) }
        add("no rounds") { $0.round = nil }
        return forms
    }()

    @Test(arguments: forms.map(\.0))
    func eachFormGivesTheSameRecords(_ name: String) throws {
        let form = try #require(Self.forms.first { $0.0 == name }).1
        let seen = try Self.read(form)
        #expect(seen.count == Self.expected.count)
        let difference = zip(seen, Self.expected).first { $0 != $1 }
        #expect(difference == nil)
    }

    @Test func whatTheFileTellsIsInTheTrace() throws {
        try Text.open(try Self.bytes(PerfData())) { file in
            #expect(file.origin.form == .perfData)
            #expect(file.origin.leftOut == [])
            #expect(file.kernelRelease == Self.file.kernelRelease)
            #expect(file.machine == Self.file.machine)
            #expect(file.uname?.hasPrefix("Linux lab_host ") == true)
            #expect(file.cpuCount == Self.file.cpuCount)
            #expect(file.clock.name == "mono")
            #expect(file.commands == Self.file.commands.mapValues { String($0.prefix(15)) }.filter { $0.key > 0 })
        }
    }

    @Test(arguments: [(nil, "perf"), (0, "realtime"), (1, "mono"), (4, "mono_raw"), (7, "boot"), (11, "tai"), (5, "clock-5")] as [(Int32?, String)])
    func theClockIsThatOfTheEvents(_ id: Int32?, _ name: String) throws {
        var form = PerfData()
        form.clockID = id
        for bigEndian in [false, true] {
            form.bigEndian = bigEndian
            try Text.open(try Self.bytes(form)) { #expect($0.clock.name == name) }
        }
    }

    @Test func lostSamplesAreGapsOnTheirCPU() throws {
        var form = PerfData()
        form.losses = [100: 7, 200: 9]
        let seen = try Self.read(form)
        #expect(seen.filter { $0.event == "lost" }.map { $0["events"] } == ["7", "9"])
        let index = try #require(seen.firstIndex { $0.event == "lost" })
        #expect(seen[index].cpu == Self.expected[100].cpu)
        let next = seen[index...].first { $0.event != "lost" && $0.cpu == Self.expected[100].cpu }
        #expect(next == Self.expected[100])
    }

    @Test func aSampleThatIsOlderThanItsRoundAllowsIsAnError() throws {
        var form = PerfData()
        form.change = { index, sample in if index == 900 { sample.time = 1 } }
        let error = try #require(try Text.failure(try Self.bytes(form)))
        #expect(error.cause.hasPrefix("a sample of CPU \(Self.expected[900].cpu) comes "), "\(error)")
        #expect(error.offset != nil)
        let seen = try Self.read(form, keepGoing: true)
        #expect(seen.filter { $0.event != "lost" }.count == Self.expected.count - 1)
        #expect(seen.filter { $0.event == "lost" }.count == 1)
    }

    @Test(arguments: [(1 << 7, "no CPU (PERF_SAMPLE_CPU)"), (1 << 2, "no time (PERF_SAMPLE_TIME)"), (1 << 10, "no data (PERF_SAMPLE_RAW)")] as [(UInt64, String)])
    func whatIsMissingInSamplesIsToldWithTheRemedy(_ bit: UInt64, _ what: String) throws {
        var form = PerfData()
        form.sampleType &= ~bit
        let error = try #require(try Text.failure(try Self.bytes(form)))
        #expect(error.cause == "the samples of tracepoint 300 have \(what): record with: perf record -a -e sched:sched_switch -e tlb:tlb_flush -e sched:sched_process_fork "
            + "-e sched:sched_process_exec -e sched:sched_process_exit -e task:task_newtask -e task:task_rename")
    }

    @Test func withoutFormatsNothingIsRead() throws {
        var form = PerfData()
        form.hasTracingData = false
        for isPipe in [false, true] {
            form.isPipe = isPipe
            #expect(try Text.failure(try Self.bytes(form))?.cause.hasPrefix("it has no tracing data") == true)
        }
    }

    @Test func whatTheFileDoesNotTellIsSaid() throws {
        var form = PerfData()
        (form.hasRelease, form.clockID) = (false, nil)
        try Text.open(try Self.bytes(form)) { #expect($0.origin.leftOut.count == 2) }
        try Text.open(try Self.bytes(form), kernel: "4.12") { #expect($0.origin.leftOut.count == 1) }
    }

    /// A change of a few bytes, and what the error must say.
    static let damages: [(String, Int, [UInt8], String)] = [
        ("attribute size", 16, [0], "attributes state a size of 0"), ("attribute size", 16, [0xff, 0xff], "attributes state a size of 65535"),
        ("attributes", 24, [0xff, 0xff, 0xff, 0xff], "truncated: attributes"), ("attributes' size", 32, [1], "attributes of 128 bytes have"),
        ("data", 46, [1], "truncated: the data"), ("data's size", 48, [0, 0, 0, 0], "the data has a size of 0"), ("header", 8, [50], "the header states a size of 50"),
        ("ids", 112 + 112, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "ids of an event"), ("no tracepoint", 112, [1], "none of its events is a tracepoint"),
        ("features", 72, [0xff, 0xff, 0xff, 0xff], ""),
    ]

    @Test(arguments: damages.indices)
    func aHeaderThatDoesNotAddUpIsAnError(_ index: Int) throws {
        let (_, offset, bytes, cause) = Self.damages[index]
        var data = try Self.bytes(PerfData())
        data.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        let error = try #require(try Text.failure(data))
        #expect(error.cause.hasPrefix(cause), "\(error)")
    }

    @Test func recordsThatDoNotAddUpAreErrors() throws {
        func failure(_ change: (inout PerfData) -> Void, _ patch: (inout Data, Int) -> Void = { _, _ in }) throws -> String {
            var form = PerfData()
            change(&form)
            var data = try Self.bytes(form)
            let start = data.withUnsafeBytes { Int($0.loadUnaligned(fromByteOffset: 40, as: UInt64.self)) }
            patch(&data, start)
            return try #require(try Text.failure(data)).cause
        }
        #expect(try failure { _ in } _: { data, start in data.replaceSubrange(start + 6..<start + 8, with: [0, 0]) } == "a record states a size of 0, expected 8 or more")
        #expect(try failure { $0.change = { index, sample in if index == 50 { sample.cpu = 99_999_999 } } } == "CPU 99999999, the limit is 8191")
        #expect(try failure { $0.hasCycles = true; $0.change = { index, sample in if index == 50 { sample.id = 4711 } } } == "a sample of the id 4711, which no event has")
        #expect(try failure { $0.change = { index, sample in if index == 50 { sample.raw = [1, 2, 3, 4] } } } == "a sample of a tracepoint has 4 bytes of data, expected 8 or more")
        #expect(try failure { $0.change = { index, sample in if index == 50 { sample.raw = Array(sample.raw.prefix(12)) } } }.contains("its fields need"))
        #expect(try failure { $0.change = { index, sample in if index == 50 { sample.raw += [UInt8](repeating: 0, count: 9000) } } }.hasPrefix("a sample of 90"))
    }

    @Test func compressedDataThatCannotBeUnpackedIsAnError() throws {
        var form = PerfData()
        form.isCompressed = true
        let good = try Self.bytes(form)
        let start = good.withUnsafeBytes { Int($0.loadUnaligned(fromByteOffset: 40, as: UInt64.self)) }
        var data = good
        data.replaceSubrange(start + 8..<start + 12, with: [1, 2, 3, 4])
        #expect(try Text.failure(data)?.cause.hasPrefix("zstd cannot unpack it") == true)
    }

    /// Cut anywhere, or with any byte inverted: an answer or an error that names the place, never a crash.
    @Test(arguments: [false, true])
    func noDamageCrashes(_ isPipe: Bool) throws {
        var form = PerfData()
        form.isPipe = isPipe
        let good = [UInt8](try Self.bytes(form))
        var generator = SystemRandomNumberGenerator()
        for round in 0..<60 {
            var bytes = good
            if round % 3 == 0 {
                bytes = Array(bytes.prefix(Int.random(in: 8..<bytes.count, using: &generator)))
            } else {
                for _ in 0..<(round % 3) * 4 { bytes[Int.random(in: 8..<min(bytes.count, round % 2 == 0 ? 4096 : .max), using: &generator)] ^= UInt8.random(in: 1...255, using: &generator) }
            }
            let error = try Text.failure(Data(bytes))
            if round % 3 == 0, !isPipe { #expect(error != nil) }
            _ = try? Text.open(Data(bytes), keepGoing: true) { try Text.records($0) }
        }
    }
}

import Foundation
import TestSupport
import Testing
import TraceData
import TraceForms

/// perf.data in all its forms, with the records of a trace.dat file, gives these records. The files are made by ``PerfData``, which knows nothing of the reader.
@Suite struct PerfFormsTests {
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

    /// `perf record --kcore`: a folder with the file as `data`, and the kernel's code beside it (perf.data-directory-format.txt).
    @Test func theFolderOfKcoreIsTheFileInIt() throws {
        try withTemporaryFolder { folder in
            try Self.bytes(PerfData()).write(to: folder.appendingPathComponent("data"))
            try FileManager.default.createDirectory(at: folder.appendingPathComponent("kcore_dir"), withIntermediateDirectories: true)
            let file = try openTrace(folder.path)
            #expect(file.origin.form == .perfData)
            #expect(try Text.records(file).count == Self.expected.count)
        }
    }

    /// HEADER_DIR_FORMAT: `data` holds none of the samples.
    @Test func theFolderOfThreadsIsRefused() throws {
        try withTemporaryFolder { folder in
            var form = PerfData()
            form.features = [(24, [1, 0, 0, 0, 0, 0, 0, 0])]
            try Self.bytes(form).write(to: folder.appendingPathComponent("data"))
            let error = #expect(throws: TraceError.self) { try openTrace(folder.path + "/") }
            #expect(error?.path == folder.path + "/data")
            #expect(error?.cause == "the records are in several files (perf record --threads): that is not read")
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

    @Test func whatTheFileDoesNotTellIsSaid() throws {
        var form = PerfData()
        (form.hasRelease, form.clockID) = (false, nil)
        try Text.open(try Self.bytes(form)) { #expect($0.origin.leftOut.count == 2) }
        try Text.open(try Self.bytes(form), kernel: "4.12") { #expect($0.origin.leftOut.count == 1) }
    }

    @Test func dataThatDoesNotFitItsFormatIsNamedByItsPlaceInTheFile() throws {
        for (size, what) in [(12, "its fields need"), (9000, "more than any record")] {
            var form = PerfData()
            form.change = { index, sample in if index == 50 { sample.raw = Array((sample.raw + [UInt8](repeating: 0, count: 9000)).prefix(size)) } }
            let data = try Self.bytes(form)
            let error = try #require(try Text.failure(data))
            #expect(error.cause.contains(what), "\(error)")
            // The record is a sample, and has the time of the one that was changed.
            let offset = Int(try #require(error.offset))
            #expect(data[offset] == 9)
            let time = data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset + 32, as: UInt64.self) }
            #expect(time == Self.expected[50].time)
            let seen = try Self.read(form, keepGoing: true)
            #expect(seen.filter { $0.event != "lost" }.count == Self.expected.count - 1)
        }
    }

    @Test func aFileThatPerfDidNotEndIsNamedSo() throws {
        var data = try Self.bytes(PerfData())
        data.replaceSubrange(48..<56, with: [UInt8](repeating: 0, count: 8))
        #expect(try Text.failure(data)?.cause.contains("perf record was ended before") == true)
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

import Foundation
import TestSupport
import Testing
import TraceSynth

@testable import TraceData

/// Damaged files: nothing of them may crash the reader, and what it says must name the file and the place.
@Suite struct DamagedFileTests {
    /// The fixture that all of this is done to, small and with every section.
    static let good = try! Data(contentsOf: URL(fileURLWithPath: Recordings.fixture("v4.12-threads-4cpu-plain.dat")))

    /// What one CPU's records are in short.
    struct Digest: Equatable {
        var times: [UInt64] = []
        var words: [UInt64] = []
        mutating func add(_ record: Record) {
            times.append(record.time)
            words.append(record.word0 &+ record.word1)
        }
    }

    static func digests(_ file: TraceFile) throws -> [Int: Digest] {
        var result: [Int: Digest] = [:]
        for cpu in file.buffer.cpus.map(\.cpu) {
            var digest = Digest()
            var record = Record.none
            let stream = file.stream(cpu: cpu)
            while try stream.next(&record) { if record.kind != .lost { digest.add(record) } }
            result[cpu] = digest
        }
        return result
    }

    /// Reads all of a file; gives the error, if there is one.
    static func failure(_ path: String) -> TraceError? {
        do {
            _ = try digests(try TraceFile(path: path))
            return nil
        } catch let error as TraceError {
            return error
        } catch {
            Issue.record("\(error)")
            return nil
        }
    }

    static func failure(of bytes: Data) throws -> TraceError? { try withTemporaryFile(bytes) { failure($0) } }

    @Test func aMissingFileADirectoryAndAnEmptyFileAreToldApart() throws {
        #expect(Self.failure("/nonexistent/x.dat")?.description == "/nonexistent/x.dat: cannot open: No such file or directory")
        #expect(Self.failure("/")?.description == "/: is a directory, expected a trace.dat file")
        #expect(Self.failure("/dev/null")?.description == "/dev/null: is not a regular file, expected a trace.dat file")
        try withTemporaryFile(Data()) { #expect(Self.failure($0)?.description == "\($0): at byte 0: the file is empty") }
    }

    @Test func anotherKindOfFileIsNamedAsSuch() throws {
        #expect(try Self.failure(of: Data("# tracer: nop\n".utf8))?.cause == "not a trace.dat file: it begins with \"# tracer: \"")
        #expect(try Self.failure(of: Data([0x17, 0x08]))?.cause == "truncated: the file has only 2 bytes")
        var version = Self.good
        version[10] = UInt8(ascii: "8")
        #expect(try Self.failure(of: version)?.description.hasSuffix("at byte 10: trace.dat version \"8\", expected 6 or 7") == true)
    }

    @Test func theHeadsFieldsAreChecked() throws {
        // Byte order, size of long, page size, compression.
        for (offset, value, word) in [(12, 2, "byte order"), (13, 5, "size of long"), (15, 0xff, "page size"), (18, 0x58, "compression")] {
            var bytes = Self.good
            bytes[offset] = UInt8(value)
            let error = try #require(try Self.failure(of: bytes))
            #expect(error.cause.contains(word), "\(error)")
            #expect(error.offset != nil)
        }
    }

    /// Cuts at and around each section's start, and evenly spread over the file.
    static let cuts: [Int] = {
        let file = try! TraceFile(path: Recordings.fixture("v4.12-threads-4cpu-plain.dat"))
        var places = Set(file.buffer.cpus.flatMap { [Int($0.offset), Int($0.offset + $0.size)] })
        places.formUnion([1, 10, 12, 14, 18, 23, 32, 40])
        places.formUnion(stride(from: 64, to: good.count, by: good.count / 16))
        return Set(places.flatMap { [$0 - 1, $0, $0 + 9] }).filter { 0..<good.count ~= $0 }.sorted()
    }()

    @Test(arguments: cuts)
    func aFileThatIsCutNamesThePlace(length: Int) throws {
        try withTemporaryFile(Self.good.prefix(length)) { path in
            let error = try #require(Self.failure(path), "no error for a file cut at \(length)")
            #expect(error.path == path)
            #expect(error.offset.map { $0 <= UInt64(length) } == true, "\(error)")
        }
    }

    @Test(arguments: cuts)
    func keepGoingGivesWhatIsWhole(length: Int) throws {
        try withTemporaryFile(Self.good.prefix(length)) { path in
            guard let file = try? TraceFile(path: path, options: .init(keepGoing: true)) else {
                // Only the head is asked for in any case.
                #expect(length < 64)
                return
            }
            for (cpu, digest) in try Self.digests(file) {
                let expected = try #require(Self.whole[cpu])
                // Without its formats a record has a time, but no words.
                #expect(Array(expected.times.prefix(digest.times.count)) == digest.times)
            }
            #expect(!file.problems.isEmpty)
        }
    }

    static let whole = try! digests(TraceFile(path: Recordings.fixture("v4.12-threads-4cpu-plain.dat")))

    /// The same, not compressed: there every sub-buffer that is whole can be used.
    static let version6 = "v4.12-threads-4cpu-plain-rec-v6.dat"

    @Test(.enabled(if: Recordings.shared(version6) != nil, "needs the larger set of recordings"))
    func keepGoingUsesEverySubbufferBeforeTheCut() throws {
        let path = try #require(Recordings.shared(Self.version6))
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let whole = try TraceFile(path: path)
        let expected = try Self.digests(whole)
        let last = try #require(whole.buffer.cpus.last)
        try withTemporaryFile(bytes.prefix(Int(last.offset) + 3 * 4096 + 100)) { path in
            #expect(Self.failure(path)?.cause.hasPrefix("truncated: CPU \(last.cpu) has \(last.size) bytes at byte \(last.offset)") == true)
            let file = try TraceFile(path: path, options: .init(keepGoing: true))
            let got = try Self.digests(file)
            for cpu in expected.keys where cpu != last.cpu { #expect(got[cpu] == expected[cpu]) }
            let rest = try #require(got[last.cpu])
            #expect(rest.times.count > 100)
            #expect(rest.times == Array(expected[last.cpu]!.times.prefix(rest.times.count)))
            #expect(file.problems.contains { $0.cpu == last.cpu })
        }
    }

    @Test(.enabled(if: Recordings.shared(version6) != nil, "needs the larger set of recordings"))
    func aDamagedSubbufferIsAGapIfTheUserKeepsGoing() throws {
        let path = try #require(Recordings.shared(Self.version6))
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let extent = try #require(try TraceFile(path: path).buffer.cpus.first)
        let place = Int(extent.offset) + 4096
        // commit of the second sub-buffer.
        bytes.replaceSubrange(place + 8..<place + 12, with: [0xff, 0xff, 0xff, 0x07])
        try withTemporaryFile(bytes) { path in
            let error = try #require(Self.failure(path))
            #expect(error.offset == UInt64(place + 8))
            #expect(error.cause == "sub-buffer claims \((1 << 27) - 1) bytes of records, 4080 fit")
            let file = try TraceFile(path: path, options: .init(keepGoing: true))
            let stream = file.stream(cpu: extent.cpu)
            var record = Record.none
            var gaps: [Record] = []
            while try stream.next(&record) { if record.kind == .lost { gaps.append(record) } }
            #expect(gaps.count == 1)
            #expect(gaps.first?.word0 == 0)
            #expect(gaps.first.map { $0.word1 > 0 && $0.word1 < $0.time } == true)
            #expect(file.problems.count == 1)
        }
    }

    /// Bytes changed at random anywhere: an error or a result, never a crash or a hang.
    @Test(arguments: 0..<4)
    func anyByteMayBeWrong(seed: Int) throws {
        var paths = [Recordings.fixture("v4.12-threads-4cpu-plain.dat"), Recordings.fixture("v4.12i386-threads-4cpu-truth.dat")]
        paths += ["v4.12-threads-4cpu-plain-rec-v6.dat", "s390x6.1-forkexec-2cpu-plain.dat"].compactMap(Recordings.shared)
        let path = paths[seed % paths.count]
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        var random = SplitMix64(seed: UInt64(seed))
        for round in 0..<12 {
            var bytes = bytes
            // The head and the options at the end say where everything is: half of the changes go there.
            for _ in 0..<(1 << (round % 6)) {
                let ranges = [0..<bytes.count, 0..<min(4096, bytes.count), bytes.count - min(1024, bytes.count)..<bytes.count]
                bytes[Int.random(in: ranges[round % 3], using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            try withTemporaryFile(bytes) { path in
                _ = Self.failure(path)
                if let file = try? TraceFile(path: path, options: .init(keepGoing: true)) {
                    _ = try Self.digests(file)
                    #expect(file.problems.count < 10_000)
                }
            }
        }
    }
}

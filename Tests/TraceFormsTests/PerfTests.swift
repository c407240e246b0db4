import Glibc
import TestSupport
import Testing

@testable import TraceData
@testable import TraceForms

/// perf.data is read as include/uapi/linux/perf_event.h and tools/perf/Documentation/perf.data-file-format.txt say.
@Suite struct PerfTests {
    private struct Seen: Equatable {
        var time: UInt64
        var cpu: Int32
        var pid: Int32
        var reason: Int32
        var pages: Int64
    }

    private func open(_ bytes: [UInt8], keepGoing: Bool = false) throws -> TraceFile {
        let mapped = bytes.withUnsafeBytes { MappedFile(path: "p.data", copying: $0) }
        var options = TraceFile.Options(keepGoing: keepGoing)
        let (descriptor, origin) = try PerfConversion(mapped, options).run()
        defer { close(descriptor) }
        options.origin = origin
        return try TraceFile(descriptor: descriptor, path: "p.data", options: options)
    }

    private func flushes(_ file: TraceFile) throws -> [Seen] {
        var merge = RecordMerge(file)
        var record = Record.none
        var seen: [Seen] = []
        while try merge.next(&record) {
            if record.kind == .lost {
                seen.append(Seen(time: 0, cpu: record.cpu, pid: -1, reason: -1, pages: Int64(truncatingIfNeeded: record.word0)))
            } else {
                seen.append(Seen(time: record.time, cpu: record.cpu, pid: record.pid, reason: Int32(truncatingIfNeeded: record.word0), pages: Int64(bitPattern: record.word1)))
            }
        }
        return seen
    }

    private func error(_ bytes: [UInt8]) throws -> TraceError {
        do { _ = try open(bytes) } catch let error as TraceError { return error }
        Issue.record("no error")
        return TraceError(path: "", cause: "")
    }

    private static func two(bigEndian: Bool = false) -> PerfWriter {
        var writer = PerfWriter(bigEndian: bigEndian, attributes: [PerfWriter.Attribute()])
        writer.flush(time: 1000, cpu: 0, reason: 3, pages: 5)
        writer.flush(time: 2000, cpu: 1, reason: 4, pages: .max)
        return writer
    }

    @Test(arguments: [false, true]) func samplesAreRecordsInEitherByteOrder(bigEndian: Bool) throws {
        let file = try open(Self.two(bigEndian: bigEndian).file)
        #expect(
            try flushes(file) == [Seen(time: 1000, cpu: 0, pid: 7, reason: 3, pages: 5), Seen(time: 2000, cpu: 1, pid: 7, reason: 4, pages: -1)])
        #expect(file.kernelRelease == "4.12.4-lab")
        #expect(file.machine == "x86_64")
        #expect(file.clock.name == "mono")
        #expect(file.cpuCount == 2)
        #expect(file.origin.form == .perfData)
        #expect(file.origin.leftOut.isEmpty)
    }

    @Test func aPipeHoldsTheSame() throws {
        let writer = Self.two()
        #expect(try flushes(open(writer.pipe)) == flushes(open(writer.file)))
        #expect(try open(writer.pipe).kernelRelease == "4.12.4-lab")
    }

    @Test func perfsOwnClockIsNamedSo() throws {
        var writer = Self.two()
        writer.attributes[0].clockID = nil
        #expect(try open(writer.file).clock.name == "perf")
    }

    /// Every set of parts puts the raw data elsewhere.
    @Test(arguments: [[], [PerfWriter.SampleType.addr], [.id, .streamID], [.ip, .tid], [.period, .identifier, .id]])
    func aSamplesPartsMayBeAny(parts: [PerfWriter.SampleType]) throws {
        var attribute = PerfWriter.Attribute()
        attribute.sampleType = parts.reduce([.time, .cpu, .raw]) { $0.union($1) }
        var writer = PerfWriter(attributes: [attribute])
        writer.flush(time: 1000, cpu: 1, reason: 2, pages: 9)
        #expect(try flushes(open(writer.file)) == [Seen(time: 1000, cpu: 1, pid: 7, reason: 2, pages: 9)])
    }

    /// PERF_SAMPLE_READ of a group with all its times, and a call chain.
    @Test func valuesAndCallChainsAreSteppedOver() throws {
        var attribute = PerfWriter.Attribute()
        attribute.sampleType.formUnion([.read, .callchain])
        attribute.readFormat = 0x1f
        var writer = PerfWriter(attributes: [attribute])
        let values = writer.number(UInt64(2)) + [UInt8](repeating: 1, count: 16 + 2 * 24)
        let chain = writer.number(UInt64(3)) + [UInt8](repeating: 2, count: 24)
        writer.add(9, writer.sample(attribute, time: 1, cpu: 0, raw: writer.flush(reason: 3, pages: 4), readAndCallchain: values + chain))
        #expect(try flushes(open(writer.file)) == [Seen(time: 1, cpu: 0, pid: 7, reason: 3, pages: 4)])
    }

    @Test func samplesOfOtherEventsAreLeftOut() throws {
        var tracepoint = PerfWriter.Attribute()
        tracepoint.ids = [11, 12]
        let cycles = PerfWriter.Attribute(type: 0, sampleType: [.identifier, .ip, .tid, .time, .cpu, .period], ids: [21])
        var writer = PerfWriter(attributes: [tracepoint, cycles])
        writer.add(9, writer.sample(tracepoint, id: 12, time: 1, cpu: 0, raw: writer.flush(reason: 3, pages: 4)))
        writer.add(9, writer.sample(cycles, id: 21, time: 2, cpu: 0, raw: []))
        let file = try open(writer.file)
        #expect(try flushes(file).count == 1)
        #expect(file.origin.leftOut == ["1 samples are of no tracepoint."])
        writer.add(9, writer.sample(cycles, id: 99, time: 3, cpu: 0, raw: []))
        #expect(try error(writer.file).cause == "a sample is of an event with the id 99, which the file does not have")
    }

    /// perf reads one CPU's buffer after the other: a round is in order only as a whole.
    @Test func roundsBringEachCPUIntoOrder() throws {
        var writer = PerfWriter(attributes: [PerfWriter.Attribute()])
        for (time, cpu) in [(30, 0), (40, 0), (10, 1), (20, 1)] as [(UInt64, UInt32)] { writer.flush(time: time, cpu: cpu) }
        writer.endRound()
        // A task's buffer holds what it did on any CPU.
        for (time, cpu) in [(50, 0), (35, 0), (25, 1)] as [(UInt64, UInt32)] { writer.flush(time: time, cpu: cpu) }
        writer.endRound()
        #expect(try flushes(open(writer.file)).map(\.time) == [10, 20, 25, 30, 35, 40, 50])
    }

    @Test func whatComesARoundTooLateIsAnError() throws {
        var writer = PerfWriter(attributes: [PerfWriter.Attribute()])
        for time in [100, 200, 300] as [UInt64] {
            writer.flush(time: time, cpu: 0)
            writer.endRound()
        }
        let place = writer.records.count
        writer.flush(time: 50, cpu: 0)
        let found = try error(writer.file)
        #expect(found.offset == UInt64(104 + 128 + place))
        #expect(found.cause.hasPrefix("CPU 0: a record of time 50 comes over a round behind one of time 200"))
        let file = try open(writer.file, keepGoing: true)
        #expect(file.problems.count == 1)
        // Something is missing somewhere, and nobody knows how much.
        #expect(try flushes(file).filter { $0.reason == -1 }.count == 1)
        #expect(try flushes(file).map(\.time).filter { $0 > 0 } == [100, 200, 300])
    }

    @Test func lostRecordsAreGapsAtTheirPlace() throws {
        var writer = PerfWriter(attributes: [PerfWriter.Attribute()])
        writer.flush(time: 10, cpu: 0)
        writer.flush(time: 20, cpu: 1)
        writer.lost(17, time: 25, cpu: 0)
        writer.flush(time: 30, cpu: 0)
        // By what the kernel counted, one more is missing than these; it comes at the end, without a time.
        writer.add(13, writer.number(UInt64(18)) + [UInt8](repeating: 0, count: 40))
        let file = try open(writer.file)
        #expect(try flushes(file).filter { $0.reason == -1 }.map(\.pages) == [17])
        #expect(try flushes(file).filter { $0.reason == -1 }.map(\.cpu) == [0])
        #expect(file.origin.leftOut == ["The kernel counted 18 lost events, the file tells of 17 where they are missing."])
    }

    @Test func namesComeFromTheRecordsOfNames() throws {
        var writer = Self.two()
        writer.add(3, writer.number(UInt32(7)) + writer.number(UInt32(7)) + Array("old\0\0\0\0\0".utf8))
        writer.add(3, writer.number(UInt32(7)) + writer.number(UInt32(7)) + Array("a b\0\0\0\0\0".utf8))
        #expect(try open(writer.file).commands[7] == "a b")
    }

    @Test func whatIsMissingIsSaid() throws {
        for (part, name) in [(PerfWriter.SampleType.time, "time"), (.cpu, "CPU"), (.raw, "raw data")] {
            var writer = Self.two()
            writer.attributes[0].sampleType.remove(part)
            let found = try error(writer.file)
            #expect(found.cause.hasPrefix("the samples of tracepoint 0 have no \(name); record with `perf record -a"))
            #expect(found.offset == 104)
        }
        var writer = Self.two()
        writer.hasFormats = false
        #expect(try error(writer.file).cause.hasPrefix("the file has no event formats"))
        writer = Self.two()
        writer.attributes[0].type = 0
        #expect(try error(writer.file).cause.hasPrefix("none of the file's 1 events is a tracepoint"))
        #expect(try error(writer.file).offset == 104)
        // Another event's samples have their id elsewhere: behind the head, the second one of 128 bytes each.
        writer = Self.two()
        writer.attributes.append(PerfWriter.Attribute(type: 0, sampleType: [.id, .ip, .tid, .time, .cpu, .period], ids: [21]))
        #expect(try error(writer.file).cause.hasPrefix("the file has several kinds of samples, and those of this event"))
        #expect(try error(writer.file).offset == 104 + 128)
        writer = Self.two()
        (writer.release, writer.command) = (nil, ["perf", "record", "--", "ls", "-a"])
        writer.command = ["perf", "record", "./work"]
        #expect(try open(writer.file).origin.leftOut.count == 2)
        writer.records = []
        #expect(try error(writer.file).cause.hasPrefix("the file has no records by its head"))
    }

    /// Wherever the file ends, it is said, or nothing that is read was behind.
    @Test func everyCutIsAnError() throws {
        let whole = Self.two().file
        for end in 0..<whole.count {
            let found = try error(Array(whole[..<end]))
            #expect(found.offset != nil, "cut at \(end): \(found)")
        }
    }

    /// The places and the contents of the features stand behind the records, and the event formats first among them.
    @Test func aFileThatIsCutBehindItsFormatsCanBeReadWithKeepGoing() throws {
        let writer = Self.two()
        let (whole, formats) = (writer.file, writer.tracingData)
        let behind = try #require((0..<whole.count).first { whole[$0...].starts(with: formats) }) + formats.count
        let all = try flushes(open(whole))
        for end in behind..<whole.count {
            let bytes = Array(whole[..<end])
            let file = try open(bytes, keepGoing: true)
            #expect(try flushes(file) == all)
            #expect(file.problems.first?.error == (try error(bytes)), "cut at \(end)")
        }
        let without = #expect(throws: TraceError.self) { try open(Array(whole[..<(behind - 1)]), keepGoing: true) }
        #expect(without?.cause.hasPrefix("a feature: \(formats.count) bytes from byte \(behind - formats.count) on, the file has \(behind - 1)") == true)
    }

    /// `cat a.data b.data`.
    @Test func whatComesBehindTheEndOfAFileIsAnError() throws {
        let whole = Self.two().file
        #expect(try flushes(open(whole + [UInt8](repeating: 0, count: 4096))).count == 2)
        let found = try error(whole + whole)
        #expect(found.offset == UInt64(whole.count))
        #expect(found.cause == "the file goes on for \(whole.count) bytes behind its last section")
        let file = try open(whole + whole, keepGoing: true)
        #expect(try flushes(file).count == 2)
        #expect(file.problems.map(\.error) == [found])
    }

    @Test func recordsOfUnknownTypesAreCounted() throws {
        var writer = Self.two()
        for type: UInt32 in [0, 8, 84, 200, .max] { writer.add(type, [1, 2, 3, 4, 5, 6, 7, 8]) }
        #expect(try open(writer.file).origin.leftOut == ["3 records are of types that are not known."])
    }

    /// A sample's type that became another one: the record then does not end as the kernel's do, or is not as long as perf's are.
    @Test(arguments: [2, 3, 10, 13, 22, 64, 68, 75, 82] as [UInt32])
    func aSampleOfAnotherTypeIsCounted(type: UInt32) throws {
        var writer = Self.two()
        writer.attributes[0].ids = [5, 6]
        let last = writer.records.count
        writer.flush(time: 3000, cpu: 1)
        let end = writer.number(UInt32(7)) + writer.number(UInt32(7)) + writer.number(UInt64(2500)) + writer.number(UInt64(1)) + writer.number(UInt64(6))
        writer.add(14, [UInt8](repeating: 1, count: 16) + end)
        // As perf makes them up.
        writer.add(3, writer.number(UInt32(7)) + writer.number(UInt32(7)) + [97, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: end.count))
        #expect(try open(writer.file).origin.leftOut == [])
        writer.records.replaceSubrange(last..<last + 4, with: writer.number(type))
        #expect(try open(writer.file).origin.leftOut.contains("1 record is not what its type says: a sample may be lost there."))
    }

    @Test func aTimeNearTheEndOfWhatCanBeCountedIsAnError() throws {
        var writer = Self.two()
        writer.flush(time: 1 << 63, cpu: 0)
        #expect(try error(writer.file).cause == "CPU 0: a record of time 9223372036854775808, the limit is 9223372036854775807")
    }

    /// Sizes and places that are not those of a file: an error, or all records.
    @Test func noNumberIsTrusted() throws {
        let whole = Self.two().file
        let good = try flushes(open(whole))
        for place in stride(from: 8, to: whole.count - 4, by: 4) {
            for value: UInt32 in [0, 1, 0x7fff_ffff, .max] {
                var bytes = whole
                withUnsafeBytes(of: value) { bytes.replaceSubrange(place..<place + 4, with: $0) }
                guard let file = try? open(bytes), let seen = try? flushes(file) else { continue }
                #expect(seen.count <= good.count)
            }
        }
    }

    @Test func compressedRecordsAreWhatTheyHold() throws {
        // `perf record -z`: records cut anywhere into packed pieces. A stream of raw blocks is valid zstd (RFC 8878, 3.1.1.2).
        var inner = Self.two()
        inner.flush(time: 3000, cpu: 0)
        let plain = inner.records
        func frame(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
            let header: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]
            let block = UInt32(bytes.count) << 3 | 1
            return header + [UInt8(block & 0xff), UInt8(block >> 8 & 0xff), UInt8(block >> 16)] + bytes
        }
        for cut in [8, 50, 77, plain.count - 1] {
            var writer = inner
            writer.records = []
            writer.add(81, frame(plain[..<cut]))
            writer.add(81, frame(plain[cut...]))
            #expect(try flushes(open(writer.file)) == flushes(open(inner.file)), "cut at \(cut)")
            writer.records = []
            let packed = frame(plain[...])
            writer.add(83, writer.number(UInt64(packed.count)) + packed + [0, 0, 0])
            #expect(try flushes(open(writer.file)) == flushes(open(inner.file)))
        }
        var writer = inner
        writer.records = PerfWriter.record(81, [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(try error(writer.file).cause.hasPrefix("a compressed record: "))
    }
}

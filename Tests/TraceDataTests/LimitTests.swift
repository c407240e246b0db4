import Testing
import TraceSynth

@testable import TraceData
import TraceWriting

/// What a file states is checked before memory is taken for it, or anything is read by it. Most of these were found by tools/fuzz.
@Suite struct LimitTests {
    /// A version 6 file of CPUs with one empty sub-buffer each, whose table of CPUs the test may change.
    private struct Small {
        var bytes: [UInt8]
        /// Where the table begins: offset and size of each CPU's data.
        let table: Int

        init(cpus: Int) {
            let page = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
            let container = TraceContainer(uname: "Linux h 4.12.0 x86_64", headerPage: Array(page.utf8), headerEvent: [], formats: [], pageSize: 4096)
            let head = container.version6(sizes: Array(repeating: 4096, count: cpus))
            let word = Array("flyrecord\0".utf8)
            table = (0..<head.count).first { head[$0...].starts(with: word) }! + word.count
            bytes = head + [UInt8](repeating: 0, count: 4096 * cpus)
        }

        mutating func set(_ cpu: Int, offset: UInt64, size: UInt64) { store(offset, table + 16 * cpu); store(size, table + 16 * cpu + 8) }

        func offset(_ cpu: Int) -> UInt64 { bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: table + 16 * cpu, as: UInt64.self) } }

        private mutating func store(_ value: UInt64, _ place: Int) {
            bytes.withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: place, as: UInt64.self) }
        }

        func open(keepGoing: Bool = false) throws(TraceError) -> TraceFile { try LimitTests.open(bytes, keepGoing: keepGoing) }
    }

    private static func open(_ bytes: [UInt8], keepGoing: Bool = false) throws(TraceError) -> TraceFile {
        let file = bytes.withUnsafeBytes { MappedFile(path: "t", copying: $0) }
        return try TraceFile(file, TraceFile.Options(keepGoing: keepGoing))
    }

    // MARK: where data lies

    @Test(arguments: [UInt64.max, 1 << 63, 1 << 20])
    func theOffsetOfACPUWithoutDataMayBeAnything(offset: UInt64) throws {
        var small = Small(cpus: 2)
        small.set(1, offset: offset, size: 0)
        let file = try small.open()
        #expect(file.cpusWithData == [0])
        // Reads every CPU's stream.
        #expect(try TraceSummary(file).records == 0)
    }

    @Test func twoCPUsCannotHaveTheSameBytes() throws {
        var small = Small(cpus: 3)
        small.set(2, offset: small.offset(0) + 100, size: 200)
        let error = #expect(throws: TraceError.self) { try small.open() }
        #expect(error?.offset == UInt64(small.table))
        let start = small.offset(0)
        #expect(error?.cause == "the data of CPU 2 begins at byte \(start + 100), in that of CPU 0, which goes to \(start + 4096)")
        let file = try small.open(keepGoing: true)
        #expect(file.cpusWithData == [0, 1])
        #expect(file.problems.map(\.cpu) == [2])
    }

    // MARK: how much a file may state

    @Test func moreCPUsThanAnyKernelHasAreAnError() throws {
        let head = Small(cpus: 1)
        // The number of CPUs stands before the word "options".
        let word = Array("options  \0".utf8)
        let place = (0..<head.bytes.count).first { head.bytes[$0...].starts(with: word) }! - 4
        for (count, isMuch) in [(8192, false), (8193, true), (0xffff_ffff, true)] as [(UInt32, Bool)] {
            var bytes = head.bytes
            bytes.withUnsafeMutableBytes { $0.storeBytes(of: count, toByteOffset: place, as: UInt32.self) }
            let error = #expect(throws: TraceError.self) { try Self.open(bytes) }
            // The table of 8192 CPUs is not there.
            #expect(error?.cause.contains("\(count) CPUs are stated") == isMuch)
        }
    }

    /// 4096, in version 6 beside the top one. None of these has CPUs.
    @Test(arguments: [(4096, true), (4097, false), (20_000, false)]) func buffersHaveALimit(count: Int, isFine: Bool) throws {
        func le<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        var bytes: [UInt8] = [0x17, 0x08, 0x44] + Array("tracing7\0".utf8) + [0, 8] + le(UInt32(4096)) + Array("none\0\0".utf8)
        let data = bytes.count + 8
        bytes += le(UInt64(data + 16)) + le(UInt16(3)) + le(UInt16(0)) + le(UInt32(0)) + le(UInt64(0))
        var options: [UInt8] = []
        for number in 0..<count {
            let option = le(UInt64(data)) + Array("\(number == 0 ? "" : "b\(number)")\0local\0".utf8) + le(UInt32(4096)) + le(UInt32(0))
            options += le(UInt16(3)) + le(UInt32(option.count)) + option
        }
        options += le(UInt16(0)) + le(UInt32(8)) + le(UInt64(0))
        bytes += le(UInt16(0)) + le(UInt16(0)) + le(UInt32(0)) + le(UInt64(options.count)) + options
        if isFine {
            #expect(try Self.open(bytes).buffers.count == count)
        } else {
            let error = #expect(throws: TraceError.self) { try Self.open(bytes) }
            #expect(error?.cause == "\(count) buffers are stated, the limit is 4096")
            #expect(try Self.open(bytes, keepGoing: true).buffers.count == 4096)
        }
    }

    @Test func whatAllSectionsUnpackToIsLimited() throws {
        // The limit comes before the question whether so few bytes can give so many.
        let error = #expect(throws: TraceError.self) { try Self.open(Self.version7(sectionOfSize: 65 << 20, [0x78, 0x9c])) }
        #expect(error?.cause == "section 0 (options) states 68157440 bytes unpacked, the limit for all sections is 67108864, of which 67108864 are left")
    }

    @Test func theUnpackedChunksOfAllCPUsAreLimitedTogether() {
        #expect(Compression.chunkLimit(cpus: 1, fileSize: 1000) == 64 << 20)
        #expect(Compression.chunkLimit(cpus: 1024, fileSize: 1000) == 128 << 10)
        // Ten sub-buffers of 64 KiB, as trace-cmd writes them, on 1024 CPUs: such a file has more.
        #expect(Compression.chunkLimit(cpus: 1024, fileSize: 64 << 20) >= 10 << 16)
        #expect(Compression.chunkLimit(cpus: 1, fileSize: .max) > 0)
    }

    /// A head whose options are the given section.
    private static func version7(sectionOfSize size: UInt32, _ packed: [UInt8]) -> [UInt8] {
        func le<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        var bytes: [UInt8] = [0x17, 0x08, 0x44] + Array("tracing7\0".utf8) + [0, 8] + le(UInt32(4096)) + Array("zlib\0\0".utf8)
        bytes += le(UInt64(bytes.count + 8))
        bytes += le(UInt16(0)) + le(UInt16(1)) + le(UInt32(0)) + le(UInt64(packed.count + 8))
        return bytes + le(UInt32(packed.count)) + le(size) + packed
    }

    // MARK: formats

    private static func parsed(_ fields: String) -> EventFormats {
        let text = Array("name: sched_switch\nID: 100\nformat:\n\(fields)\n".utf8)
        return text.withUnsafeBytes { EventFormats([EventFormats.Source(system: "sched", text: $0)], bigEndian: false, longSize: 8) }
    }

    @Test(arguments: [("65535", "1", false), ("65535", "0", true), ("65534", "8", false), ("1", "65535", false)])
    func aFieldThatNoRecordCanHoldIsRefused(offset: String, size: String, isFine: Bool) {
        let formats = Self.parsed("\tfield:unsigned short common_type;\toffset:\(offset);\tsize:\(size);\tsigned:0;\n")
        #expect(formats.refused.contains { $0.error.cause.contains("a field lies outside of any record") } == !isFine)
    }

    @Test func whatRepeatsInADeclarationIsBounded() {
        for (declaration, isFine) in [
            ("int a[\(String(repeating: "(", count: 100))8\(String(repeating: ")", count: 100))]", true),
            ("int a[\(String(repeating: "(", count: 1000))8\(String(repeating: ")", count: 1000))]", false),
            ("int a\(String(repeating: "[1]", count: 1000))", false), ("int \(String(repeating: "*", count: 5000))a", false),
        ] {
            let text = Array("name: e\nID: 100\nformat:\n\tfield:\(declaration);\toffset:0;\tsize:4;\tsigned:1;\n".utf8)
            #expect((text.withUnsafeBytes { FormatText.fault(in: $0) } == nil) == isFine)
        }
    }

    private static func flush(id: Int, pagesAt offset: Int) -> String {
        FormatTests.format("tlb_flush", id: id, "\tfield:int reason;\toffset:8;\tsize:4;\tsigned:1;\n\tfield:unsigned long pages;\toffset:\(offset);\tsize:8;\tsigned:0;")
    }

    /// Hot loops have one place for a field: a record of the one event would be read by the other's format, behind its end.
    @Test func anEventCannotHaveTwoIDs() {
        let formats = FormatTests.formats([("tlb", Self.flush(id: 100, pagesAt: 16)), ("tlb", Self.flush(id: 101, pagesAt: 60000))])
        #expect(formats.events.map(\.id) == [100])
        #expect(formats.layout.hot.pages.offset == 16)
        #expect(formats.refused.map(\.isNeeded) == [true])
        #expect(formats.refused.first?.error.cause.hasSuffix("tlb: tlb_flush has two ids, 100 and 101") == true)
    }

    @Test func twoEventsCannotHaveOneID() {
        for (first, second) in [(("tlb", Self.flush(id: 100, pagesAt: 16)), ("x", FormatTests.format("e", id: 100, ""))), (("x", FormatTests.format("e", id: 100, "")), ("tlb", Self.flush(id: 100, pagesAt: 16)))] {
            let formats = FormatTests.formats([first, second])
            #expect(formats.events.map(\.system) == [first.0])
            // What a record is cannot be told, and it may be one that is needed.
            #expect(formats.refused.map(\.isNeeded) == [true])
        }
        #expect(FormatTests.formats([("x", FormatTests.format("e", id: 100, "")), ("x", FormatTests.format("f", id: 100, ""))]).refused.map(\.isNeeded) == [false])
    }

    @Test func theSameFormatTwiceIsFine() {
        let formats = FormatTests.formats([("tlb", Self.flush(id: 100, pagesAt: 16)), ("tlb", Self.flush(id: 100, pagesAt: 16))])
        #expect(formats.events.count == 1)
        #expect(formats.refused.isEmpty)
    }

    @Test func aPrintFormatIsReadOnceForAllFields() {
        // 512 names in a text of 4 MiB: one look for each would take minutes.
        let names = (0..<512).map { "field\($0)" }
        let text = Array((String(repeating: "field1=x ", count: 500_000) + "field511=%u").utf8)
        #expect(text.withUnsafeBytes { PrintFormat.styles(of: names, in: $0) } == ["field511": .unsigned])
    }

    // MARK: names of tasks

    /// Millions of lines are read without a list of them.
    @Test func piecesAreThoseOfASplit() {
        for text in ["", "a", "a;b", ";;a;;bc;", ";", "a;;b;c"] {
            let bytes = Array(text.utf8)
            bytes.withUnsafeBytes { bytes in
                #expect(Pieces(bytes, between: 0x3b).map { Array($0) } == bytes.split(separator: 0x3b).map { Array($0) })
            }
        }
    }

    @Test func aNameIsCutToSixteenBytes() throws {
        let file = Small(cpus: 1).bytes.withUnsafeBytes { MappedFile(path: "t", copying: $0) }
        let names = Array("7 \(String(repeating: "n", count: 70_000))\n".utf8)
        let section = withUnsafeBytes(of: UInt64(names.count).littleEndian, Array.init) + names
        var container = try Container(file, keepGoing: false)
        try section.withUnsafeBytes { bytes throws in
            var cursor = ByteCursor(bytes, bigEndian: false, place: ByteCursor.Place(path: "t", base: 0))
            try container.readCommandLines(&cursor)
        }
        #expect(container.commands == [7: "nnnnnnnnnnnnnnnn"])
    }

    @Test func namesOfTasksHaveALimit() throws {
        let file = Small(cpus: 1).bytes.withUnsafeBytes { MappedFile(path: "t", copying: $0) }
        let names = Array("7 a\n8 b\n9 c\n".utf8)
        let section = withUnsafeBytes(of: UInt64(names.count).littleEndian, Array.init) + names
        func read(limit: Int) throws -> [Int32: Comm] {
            var container = try Container(file, keepGoing: false)
            try section.withUnsafeBytes { bytes throws in
                var cursor = ByteCursor(bytes, bigEndian: false, place: ByteCursor.Place(path: "t", base: 1000))
                try container.readCommandLines(&cursor, limit: limit)
            }
            return container.commands
        }
        #expect(try read(limit: 3) == [7: "a", 8: "b", 9: "c"])
        let error = #expect(throws: TraceError.self) { _ = try read(limit: 2) }
        #expect(error == TraceError(path: "t", offset: 1008, cause: "more than 2 saved command lines"))
        #expect(Container.commandLimit == 4 << 20)
    }

    // MARK: sums

    @Test func numbersOfLostEventsDoNotBeginAgainAtZero() {
        #expect(SubbufferWalker.Missed.count(.max).followed(by: .count(2)) == .count(.max))
    }
}

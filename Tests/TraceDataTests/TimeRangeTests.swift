import Testing
import TraceWriting

@testable import TraceData

/// Times that 64 bits cannot hold, by themselves or by what the file's options make of them: they would begin again at zero, and go back in silence.
struct TimeRangeTests {
    private static let eight = [UInt8](repeating: 7, count: 8)

    private static func le<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

    /// A version 6 file of one CPU with one sub-buffer, or several of the same content, and options beside those that every file has; `raw` is some more of them.
    private static func open(
        _ page: PageBuilder, _ options: (id: UInt16, data: [UInt8])..., raw: [UInt8] = [], keepGoing: Bool = false, pages: Int = 1
    ) throws -> TraceFile {
        let header = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
        let container = TraceContainer(uname: nil, headerPage: Array(header.utf8), headerEvent: [], formats: [], pageSize: 4096)
        let head = container.version6(sizes: [UInt64(4096 * pages)])
        func behind(_ word: String, _ bytes: [UInt8]) throws -> Int {
            try #require(bytes.indices.first { bytes[$0...].starts(with: word.utf8) }) + word.utf8.count
        }
        let extra = options.flatMap { le($0.id) + le(UInt32($0.data.count)) + $0.data } + raw
        var bytes = head
        bytes.insert(contentsOf: extra, at: try behind("options  \0", bytes))
        let table = try behind("flyrecord\0", bytes)
        bytes.replaceSubrange(table..<table + 8, with: le(UInt64(bytes.count)))
        for _ in 0..<pages { bytes += page.bytes }
        return try TraceFile(bytes.withUnsafeBytes { MappedFile(path: "t", copying: $0) }, TraceFile.Options(keepGoing: keepGoing))
    }

    private static func times(_ file: TraceFile) throws -> [UInt64] {
        var times: [UInt64] = []
        var record = Record.none
        let stream = file.stream(cpu: 0)
        while try stream.next(&record) { if record.kind != .lost { times.append(record.time) } }
        return times
    }

    /// Records at these times.
    private static func page(_ times: UInt64...) -> PageBuilder {
        var page = PageBuilder()
        page.time = times[0]
        for (before, time) in zip([times[0]] + times, times) { page.record(eight, delta: UInt32(time - before)) }
        return page
    }

    @Test func `a sub-buffer may not begin where its records would begin again at zero`() {
        var page = Self.page(UInt64.max - 50)
        page.record(Self.eight, delta: 100)
        let last = SubbufferWalker.anyTime.upperBound
        #expect(throws: SubbufferDamage(offset: 0, cause: .timeOutOfRange(.max - 50, 0...last))) { try page.walk() }
        page.time = last
        #expect(throws: Never.self) { try page.walk() }
        // Without records it says nothing.
        page.data = []
        page.time = .max
        #expect(throws: Never.self) { try page.walk() }
    }

    @Test(arguments: [UInt32(30), 31]) func `nor may a time extension lead there`(type: UInt32) {
        var page = PageBuilder()
        page.time = 0xf8 << 56
        page.head(type: type, delta: 0)
        page.word(.max)
        page.record(Self.eight, delta: 1)
        #expect(throws: SubbufferDamage(offset: 16, cause: .timeOutOfRange(page.time + UInt64(UInt32.max) << 27, SubbufferWalker.anyTime))) { try page.walk() }
    }

    @Test func `an offset that makes times negative is an error`() throws {
        let page = Self.page(1000, 1005)
        func option(_ text: String) -> (UInt16, [UInt8]) { (OptionID.offset, Array(text.utf8) + [0]) }
        #expect(try Self.times(Self.open(page, option("-1000"))) == [0, 5])
        #expect(try Self.times(Self.open(page, option("0x10"))) == [1016, 1021])
        let error = #expect(throws: TraceError.self) { try Self.times(Self.open(page, option("-1001"))) }
        #expect(error?.cause.hasPrefix("time 1000 is not between 1001 and ") == true)
        #expect(error?.offset != nil)
        let late = Self.page(1 << 63 + 1000)
        #expect(throws: TraceError.self) { try Self.times(Self.open(late, option("0x7fffffffffffffff"))) }
        #expect(try Self.times(Self.open(late, option("-0x7fffffffffffffff"))) == [1001])
    }

    @Test func `options together may not move times by more than 63 bits hold`() throws {
        func date(_ text: String) -> (UInt16, [UInt8]) { (OptionID.date, Array(text.utf8) + [0]) }
        #expect(try Self.times(Self.open(Self.page(7), date("0x10"))) == [16_007])
        for options in [[date("0x7fffffffffffffff")], [(OptionID.offset, Array("0x7fffffffffffffff\0".utf8)), date("1")]] {
            let error = #expect(throws: TraceError.self) {
                options.count == 1 ? try Self.open(Self.page(7), options[0]) : try Self.open(Self.page(7), options[0], options[1])
            }
            #expect(error?.cause == "DATE option moves times by more than 63 bits hold")
        }
    }

    @Test func `cycles that are too many ns are an error at their record`() throws {
        let scale = (OptionID.tscToNs, Self.le(UInt32.max) + Self.le(UInt32(8)) + Self.le(UInt64(0)))
        // Up to some 2^40 cycles: that many times 2^32, less 8 bits.
        let fine = Self.page(1 << 39, 1 << 39 + 5)
        #expect(try Self.times(Self.open(fine, scale)).count == 2)
        var late = Self.page(1 << 41)
        late.record(Self.eight, delta: 3)
        let error = #expect(throws: TraceError.self) { try Self.times(Self.open(late, scale)) }
        #expect(error?.cause == "64 bits cannot hold what the file's options make of time \(UInt64(1) << 41)")
        let file = try Self.open(late, scale, keepGoing: true)
        #expect(try Self.times(file).isEmpty)
        #expect(file.problems.count == 2)
    }

    /// The clocks `uptime` (jiffies) and, where it is coarse, `mono` give all records of some ms one stamp.
    @Test func `a sub-buffer may begin at the time at which the one before has ended`() throws {
        var page = Self.page(1000, 1000, 1000)
        page.trailer = [UInt8](repeating: 0, count: 4096 - 16 - page.data.count)
        #expect(try Self.times(Self.open(page, pages: 3)) == [UInt64](repeating: 1000, count: 9))
    }

    /// Samples of a guest's clock: at time 0 the host's is so much ahead, from 1000 on it is not.
    private static func shift(_ ahead: Int64) -> (UInt16, [UInt8]) { shift(times: [0, 1000, 9000], offsets: [ahead, 0, 0]) }

    private static func shift(times: [Int64], offsets: [Int64], flags: UInt32 = 0) -> (UInt16, [UInt8]) {
        let head = le(UInt64(1)) + le(flags) + le(UInt32(1)) + le(UInt32(times.count))
        return (OptionID.timeShift, head + (times + offsets + times.map { _ in 1 }).flatMap { le($0) })
    }

    /// timestamp_correction_calc(), lib/trace-cmd/trace-input.c: the first one's offset + ((time - its time) * (difference of the offsets) + delta / 2) / delta, which C rounds
    /// towards zero.
    @Test(arguments: [([0, 1], [4, 6, 11, 17]), ([1, 0], [5, 6, 11, 15])] as [([Int64], [UInt64])])
    func `between two samples of a guest's clock its offset is rounded as trace-cmd rounds it`(offsets: [Int64], times: [UInt64]) throws {
        #expect(try Self.times(Self.open(Self.page(4, 5, 10, 15), Self.shift(times: [0, 10], offsets: offsets, flags: 1))) == times)
    }

    @Test func `from the time of a sample on its offset holds`() throws {
        #expect(try Self.times(Self.open(Self.page(500, 999, 1000, 1500), Self.shift(100))) == [600, 1099, 1099, 1500])
        #expect(try Self.times(Self.open(Self.page(500, 1000, 1500), Self.shift(100))) == [600, 1000, 1500])
    }

    @Test(arguments: [(1_001_000, [1_001_500, 1_001_500]), (1_001_001, nil)] as [(Int64, [UInt64]?)])
    func `samples are taken to be exact to 1 ms`(ahead: Int64, times: [UInt64]?) {
        #expect((try? Self.times(Self.open(Self.page(500, 1500), Self.shift(ahead)))) == times)
    }

    @Test func `a guest's samples may let time stand still, but not go back`() throws {
        let page = Self.page(500, 1500, 9999)
        #expect(try Self.times(Self.open(page, Self.shift(3000))) == [3500, 3500, 9999])
        let error = #expect(throws: TraceError.self) { try Self.times(Self.open(page, Self.shift(3_000_000))) }
        #expect(error?.cause == "time goes back by 2999000, from 3000500 to 1500, by the file's TIME_SHIFT option")
        let file = try Self.open(page, Self.shift(3_000_000), keepGoing: true)
        #expect(try Self.times(file) == [3_000_500])
        #expect(file.problems.count == 2)
    }

    @Test func `more options than a file can need are an error`() throws {
        var many: [UInt8] = []
        for _ in 0..<Container.optionLimit { many += [0xe7, 3, 0, 0, 0, 0] }
        let error = #expect(throws: TraceError.self) { try Self.open(Self.page(7), (999, []), raw: many) }
        #expect(error?.cause == "more than \(Container.optionLimit) options")
    }
}

import Testing
import TraceSynth

@testable import TraceData

/// Builds sub-buffers by hand.
struct PageBuilder {
    var shape: SubbufferShape
    var data: [UInt8] = []
    var time: UInt64 = 1000
    /// Bits above the length of `commit`.
    var marks: UInt64 = 0
    /// Replaces the length of the data in `commit`.
    var length: Int?
    /// What stands behind the data.
    var trailer: [UInt8] = []

    init(bigEndian: Bool = false, longSize: Int = 8, size: Int = 4096) {
        shape = SubbufferShape(bigEndian: bigEndian, longSize: longSize, size: size)
    }

    func encoded<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        withUnsafeBytes(of: shape.bigEndian ? value.bigEndian : value.littleEndian) { Array($0) }
    }

    mutating func head(type: UInt32, delta: UInt32) {
        data += encoded(shape.bigEndian ? type << 27 | delta : delta << 5 | type)
    }

    mutating func record(_ content: [UInt8], delta: UInt32) {
        head(type: UInt32(content.count / 4), delta: delta)
        data += content
    }

    mutating func word(_ value: UInt32) { data += encoded(value) }

    var bytes: [UInt8] {
        let commit = UInt64(length ?? data.count) | marks
        var page = encoded(time) + (shape.longSize == 8 ? encoded(commit) : encoded(UInt32(truncatingIfNeeded: commit))) + data + trailer
        page += [UInt8](repeating: 0xee, count: max(0, shape.size - page.count))
        return page
    }

    struct Walk: Equatable {
        var times: [UInt64] = []
        var sizes: [Int] = []
        var offsets: [Int] = []
        var missed = SubbufferWalker.Missed.nothing
    }

    func walk() throws(SubbufferDamage) -> Walk {
        let page = bytes
        var walk = Walk()
        var damage: SubbufferDamage?
        page.withUnsafeBytes { raw in
            do throws(SubbufferDamage) {
                var walker = try SubbufferWalker(raw, shape: shape)
                walk.missed = walker.missed
                while try walker.advance() {
                    walk.times.append(walker.time)
                    walk.sizes.append(walker.dataSize)
                    walk.offsets.append(walker.dataOffset)
                }
            } catch {
                damage = error
            }
        }
        if let damage { throw damage }
        return walk
    }
}

@Suite struct SubbufferTests {
    static let eight = [UInt8](repeating: 7, count: 8)

    @Test(arguments: [(false, 8), (false, 4), (true, 8), (true, 4)])
    func deltasAddUpInEitherByteOrderAndSizeOfLong(bigEndian: Bool, longSize: Int) throws {
        var page = PageBuilder(bigEndian: bigEndian, longSize: longSize)
        page.record(Self.eight, delta: 5)
        page.record(Self.eight + Self.eight, delta: 7)
        let walk = try page.walk()
        #expect(walk.times == [1005, 1012])
        #expect(walk.sizes == [8, 16])
        #expect(walk.offsets == [8 + longSize + 4, 8 + longSize + 16])
    }

    @Test func aLongRecordHasItsLengthInAWord() throws {
        var page = PageBuilder()
        page.head(type: 0, delta: 1)
        page.word(4 + 121)
        page.data += [UInt8](repeating: 1, count: 124)
        page.record(Self.eight, delta: 1)
        #expect(try page.walk().sizes == [124, 8])
    }

    @Test func aTimeExtensionAddsItsUpperBits() throws {
        var page = PageBuilder()
        page.head(type: 30, delta: 3)
        page.word(2)
        page.record(Self.eight, delta: 4)
        #expect(try page.walk().times == [1000 + (2 << 27) + 3 + 4])
    }

    @Test func anAbsoluteTimeTakesItsFiveUpperBitsFromTheTimeBefore() throws {
        var page = PageBuilder()
        page.time = 3 << 59 | 500
        page.head(type: 31, delta: 9)
        page.word(1)
        page.record(Self.eight, delta: 1)
        #expect(try page.walk().times == [3 << 59 | (1 << 27) + 10])
        page.time = 77
        #expect(try page.walk().times == [(1 << 27) + 10])
        // The lower bits went round.
        #expect(SubbufferWalker.absolute(5, after: 1 << 59 | 1000) == 2 << 59 | 5)
    }

    @Test func aDiscardedRecordsDeltaCounts() throws {
        var page = PageBuilder()
        page.record(Self.eight, delta: 1)
        page.head(type: 29, delta: 10)
        page.word(12)
        page.data += Self.eight
        page.record(Self.eight, delta: 100)
        #expect(try page.walk().times == [1001, 1111])
    }

    @Test func aNullEventEndsTheSubbuffer() throws {
        var page = PageBuilder()
        page.record(Self.eight, delta: 1)
        page.head(type: 29, delta: 0)
        page.data += Self.eight
        #expect(try page.walk().times == [1001])
    }

    @Test(arguments: [false, true])
    func lossIsSeenBehindATimeExtension(bigEndian: Bool) throws {
        var page = PageBuilder(bigEndian: bigEndian)
        page.marks = 1 << 31
        page.head(type: 30, delta: 0)
        page.word(1)
        page.record(Self.eight, delta: 1)
        #expect(try page.walk().missed == .some)
    }

    @Test(arguments: [(false, 8), (false, 4), (true, 8), (true, 4)])
    func aStoredCountOfLostEventsIsReadBehindTheData(bigEndian: Bool, longSize: Int) throws {
        var page = PageBuilder(bigEndian: bigEndian, longSize: longSize)
        page.marks = 3 << 30
        page.record(Self.eight, delta: 1)
        page.trailer = longSize == 8 ? page.encoded(UInt64(4711)) : page.encoded(UInt32(4711))
        #expect(try page.walk().missed == .count(4711))
    }

    /// Two sub-buffers, of which the first one holds nothing.
    @Test func lossesWithoutARecordBetweenThemAreOne() {
        #expect(SubbufferWalker.Missed.count(3).followed(by: .count(4)) == .count(7))
        #expect(SubbufferWalker.Missed.count(3).followed(by: .count(.max)) == .count(.max))
        #expect(SubbufferWalker.Missed.count(3).followed(by: .some) == .some)
        #expect(SubbufferWalker.Missed.nothing.followed(by: .count(4)) == .count(4))
    }

    @Test func aStoredCountThatDoesNotFitIsUnknown() throws {
        var page = PageBuilder(size: 28)
        page.marks = 3 << 30
        page.record(Self.eight, delta: 1)
        #expect(try page.walk().missed == .some)
    }

    @Test func aCommitLongerThanThePageIsDamage() throws {
        for length in [4096, 4081, (1 << 27) - 1] {
            var page = PageBuilder()
            page.length = length
            #expect(throws: SubbufferDamage(offset: 8, cause: .commitTooLong(length, limit: 4080))) { try page.walk() }
        }
    }

    @Test func aPageShorterThanItsHeaderIsDamage() {
        let few = [UInt8](repeating: 0, count: 15)
        few.withUnsafeBytes { raw in
            _ = #expect(throws: SubbufferDamage(offset: 0, cause: .shorterThanHeader(15))) {
                try SubbufferWalker(raw, shape: PageBuilder().shape)
            }
        }
    }

    @Test func aRecordThatRunsPastTheEndIsDamage() {
        var page = PageBuilder()
        page.record(Self.eight, delta: 1)
        page.head(type: 28, delta: 1)
        page.data += Self.eight
        #expect(throws: SubbufferDamage(offset: 28, cause: .recordPastEnd(size: 112, left: 8))) { try page.walk() }
    }

    @Test(arguments: [0, 3] as [UInt32])
    func aLengthThatWouldNotMoveOnIsDamage(length: UInt32) {
        for type in [0, 29] as [UInt32] {
            var page = PageBuilder()
            page.head(type: type, delta: 1)
            page.word(length)
            page.data += Self.eight
            #expect(throws: SubbufferDamage(offset: 20, cause: .lengthTooSmall(length))) { try page.walk() }
        }
    }

    @Test(arguments: [0, 29] as [UInt32])
    func aLengthBeyondThePageIsDamage(type: UInt32) {
        var page = PageBuilder()
        page.head(type: type, delta: 1)
        page.word(.max)
        page.data += Self.eight
        #expect(throws: SubbufferDamage.self) { try page.walk() }
    }

    @Test func aTimeExtensionThatIsCutOffIsDamage() {
        var page = PageBuilder()
        page.head(type: 30, delta: 1)
        #expect(throws: SubbufferDamage(offset: 16, cause: .timeCutOff)) { try page.walk() }
    }

    /// The buffer ends where the page does: an address sanitizer sees what reads beyond.
    @Test func everyByteStringEndsWithoutReadingOutside() {
        var random = SplitMix64(seed: 1)
        var (read, damaged) = (0, 0)
        for _ in 0..<3000 {
            var page = PageBuilder(bigEndian: Bool.random(using: &random), longSize: Bool.random(using: &random) ? 8 : 4, size: 64)
            for _ in 0..<12 { page.word(Bool.random(using: &random) ? UInt32.random(in: 0...UInt32.max, using: &random) : UInt32.random(in: 0..<64, using: &random)) }
            do {
                // No record is less than a word.
                #expect(try page.walk().times.count <= 12)
                read += 1
            } catch { damaged += 1 }
        }
        #expect(read > 100 && damaged > 100)
    }
}

import Testing

@testable import TraceData

/// A second merge that follows the order of the first gives the same.
@Suite struct MergeOrderTests {
    private struct List: TimedSource {
        let number: Int
        var times: ArraySlice<UInt64>
        var headTime: UInt64 = 0
        mutating func advance() throws(TraceError) -> Bool {
            guard let first = times.popFirst() else { return false }
            headTime = first
            return true
        }
    }

    private static func lists(_ count: Int, length: ClosedRange<Int>) -> [List] {
        (0..<count).map { number in
            List(number: number, times: (0..<Int.random(in: length)).map { _ in UInt64.random(in: 0...500) }.sorted()[...])
        }
    }

    /// What both merges give, as (source, time).
    private static func twice(_ lists: [List], limit: Int) throws -> (first: [[UInt64]], second: [[UInt64]], isWhole: Bool) {
        let order = MergeOrder(sources: lists.count, limit: limit)
        var merge = TimeMerge(lists)
        var first: [[UInt64]] = []
        while try merge.next() {
            order.append(merge.current)
            first.append([UInt64(merge.head.number), merge.head.headTime])
        }
        var again = RepeatedMerge(lists, order: order)
        var second: [[UInt64]] = []
        while try again.next() { second.append([UInt64(again.head.number), again.head.headTime]) }
        return (first, second, order.isWhole)
    }

    @Test(arguments: [1, 2, 4, 5, 16, 17, 100, 300])
    func theSecondMergeGivesWhatTheFirstGave(_ count: Int) throws {
        for _ in 0..<10 {
            let result = try Self.twice(Self.lists(count, length: 0...40), limit: 1 << 20)
            #expect(result.isWhole)
            #expect(result.first == result.second)
        }
    }

    @Test(arguments: [0, 8, 16, 64]) func beyondTheLimitItMergesByItself(_ limit: Int) throws {
        for count in [3, 7, 20] {
            let result = try Self.twice(Self.lists(count, length: 300...400), limit: limit)
            #expect(!result.isWhole)
            #expect(result.first == result.second)
        }
    }

    /// As with the first merge.
    @Test func theLastTimeThereIsIsNotTheEndBeyondTheLimit() throws {
        let lists = (0..<3).map { List(number: $0, times: [UInt64](repeating: .max, count: 40)[...]) }
        let result = try Self.twice(lists, limit: 0)
        #expect(!result.isWhole && result.second.count == 120)
        #expect(result.first == result.second)
    }

    @Test func withoutRecordsThereIsNoOrder() throws {
        #expect(try Self.twice(Self.lists(4, length: 0...0), limit: 100).second.isEmpty)
        #expect(try Self.twice([], limit: 100).second.isEmpty)
    }
}

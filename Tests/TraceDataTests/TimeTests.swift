import Testing

@testable import TraceData

@Suite struct TimeMergeTests {
    struct List: TimedSource {
        var times: [UInt64]
        var position = -1
        var headTime: UInt64 { times[position] }
        mutating func advance() -> Bool {
            position += 1
            return position < times.count
        }
    }

    static func merged(_ lists: [[UInt64]]) throws -> [(UInt64, Int)] {
        var merge = TimeMerge(lists.map { List(times: $0) })
        var result: [(UInt64, Int)] = []
        while try merge.next() { result.append((merge.head.headTime, merge.current)) }
        return result
    }

    @Test func theSmallestTimeComesFirstAndTheFirstSourceWinsTies() throws {
        let result = try Self.merged([[5, 5, 9], [1, 5, 7], [], [5]])
        #expect(result.map(\.0) == [1, 5, 5, 5, 5, 7, 9])
        #expect(result.map(\.1) == [1, 0, 0, 1, 3, 1, 0])
    }

    @Test func nothingComesOfNothing() throws {
        #expect(try Self.merged([]).isEmpty)
        #expect(try Self.merged([[], []]).isEmpty)
    }

    @Test func itIsAStableSortOfRandomLists() throws {
        for _ in 0..<200 {
            let lists = (0..<Int.random(in: 1...30)).map { _ in (0..<Int.random(in: 0...20)).map { _ in UInt64.random(in: 0...15) }.sorted() }
            let expected = lists.enumerated().flatMap { index, list in list.map { ($0, index) } }.sorted { $0 < $1 }
            let result = try Self.merged(lists)
            #expect(result.map(\.0) == expected.map(\.0))
            #expect(result.map(\.1) == expected.map(\.1))
        }
    }

    @Test func theLastTimeThereIsIsNotTheEnd() throws {
        for count in [3, 12] {
            let lists = (0..<count).map { _ in [UInt64.max - 1, UInt64.max] }
            #expect(try Self.merged(lists).count == 2 * count)
        }
    }

    @Test func timesThatGoBackAreTakenAsTheyCome() throws {
        // As trace-cmd does: only heads are compared.
        #expect(try Self.merged([[10, 3, 12], [5, 11]]).map(\.0) == [5, 10, 3, 11, 12])
    }

    @Test func afterAnErrorTheOthersGoOn() throws {
        struct Failing: TimedSource {
            var left: Int
            var fails: Bool
            var headTime: UInt64 { UInt64(10 - left) }
            mutating func advance() throws(TraceError) -> Bool {
                if fails, left == 2 { throw TraceError(path: "x", cause: "y") }
                left -= 1
                return left >= 0
            }
        }
        var merge = TimeMerge([Failing(left: 3, fails: true), Failing(left: 3, fails: false)])
        var count = 0
        var errors = 0
        while true {
            do {
                guard try merge.next() else { break }
                count += 1
            } catch {
                errors += 1
            }
        }
        #expect(errors == 1)
        #expect(count == 4)
    }
}

@Suite struct ClockTests {
    @Test func theCurrentClockIsTheOneInBrackets() {
        #expect(Clock(traceClockFile: "local global counter uptime [mono] boot").name == "mono")
        #expect(Clock(traceClockFile: "[x86-tsc]").name == "x86-tsc")
        #expect(Clock(traceClockFile: "mono\n").name == "mono")
        #expect(Clock(traceClockFile: "").name == "local")
        #expect(Clock(traceClockFile: "[\u{1}\u{2}]").name == "local")
    }

    @Test func eachClockHasItsUnit() {
        #expect(Clock(name: "local").unit == .nanoseconds)
        #expect(Clock(name: "x86-tsc").unit == .cycles)
        #expect(Clock(name: "x86-tsc", scaled: true).unit == .nanoseconds)
        #expect(Clock(name: "counter").unit == .events)
        #expect(!Clock(name: "counter").isTime)
    }

    /// `local` is sched_clock() and `perf` local_clock(), both by CPU (Documentation/trace/ftrace.rst, "trace_clock").
    @Test(arguments: [("local", false), ("perf", false), ("global", true), ("mono", true)])
    func timesOfDifferentCPUsAreComparedWhereTheClockIsOneForAll(_ name: String, _ are: Bool) {
        #expect(Clock(name: name).comparableBetweenCPUs == are)
    }
}

@Suite struct TimeConversionTests {
    @Test func scalingKeepsTheUpperBits() {
        #expect(TimeConversion.scaled(1 << 60, 1 << 20, 20) == 1 << 60)
        #expect(TimeConversion.scaled(1000, 3, 1) == 1500)
        #expect(TimeConversion.scaled(7, 5, 0) == 35)
        #expect(TimeConversion.scaled(.max, 2, 0) == nil)
        #expect(TimeConversion.scaled(1 << 63, 4, 1) == nil)
        #expect(TimeConversion.scaled(1 << 63, 4, 2) == 1 << 63)
        #expect(TimeConversion.scaled(.max, UInt64(UInt32.max), 32) == UInt64.max.multipliedFullWidth(by: UInt64(UInt32.max)).high << 32 | UInt64.max.multipliedFullWidth(by: UInt64(UInt32.max)).low >> 32)
    }
}

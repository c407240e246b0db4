import Replay
import Testing

struct FlushTallyTests {
    typealias Entry = (cpu: Int, reason: Int32, pages: Int64)

    private func tally(_ entries: Entry...) -> FlushTally { tally(entries) }

    private func tally(_ entries: [Entry]) -> FlushTally {
        var tally = FlushTally(cpus: 3)
        for entry in entries { tally.add(cpu: entry.cpu, reason: entry.reason, pages: entry.pages) }
        return tally
    }

    @Test func `what matches is the intersection of the two multisets`() {
        let one = tally((0, 3, 1), (0, 3, 1), (0, 3, 1), (1, 0, -1), (2, 4, 33))
        let other = tally((0, 3, 1), (0, 3, 1), (1, 0, -1), (1, 0, -1), (2, 4, 32))
        #expect(one.matched(other) == 3)
        #expect(other.matched(one) == 3)
        #expect(one.matched(one) == 5)
        #expect(one.matched(tally()) == 0)
    }

    @Test(arguments: [-1, 0, 62, 63, 64, 100_000, Int64.min]) func `any number of pages, and any reason, is told apart`(pages: Int64) {
        for reason: Int32 in [0, 5, 6, -1, 200] {
            let one = tally((1, reason, pages))
            #expect(one.matched(one) == 1)
            #expect(one.matched(tally((0, reason, pages))) == 0)
            #expect(one.matched(tally((1, reason &+ 1, pages))) == 0)
            #expect(one.matched(tally((1, reason, pages &+ 1))) == 0)
        }
    }

    @Test func `counts by reason add up to all`() {
        let one = tally((0, 3, 1), (2, 3, 1000), (1, 4, -1), (1, 9, 1))
        #expect(one.total == 4)
        #expect(one.count(reason: 3) == 2)
        #expect(one.count(reason: 4) == 1)
        #expect(one.count(reason: 0) == 0)
        #expect(one.count(reason: nil) == 1)
    }

    @Test func `matches by reason add up to all`() {
        let one = tally((0, 3, 1), (2, 3, 1000), (1, 4, -1))
        let other = tally((0, 3, 1), (2, 3, 1000), (1, 4, 7))
        #expect(one.matched(other, reason: 3) == 2)
        #expect(one.matched(other, reason: 4) == 0)
    }

    @Test func `differences come largest first, and only where there are any`() {
        let one = tally((0, 3, 1), (1, 0, -1), (1, 0, -1), (2, 4, 999))
        let other = tally((0, 3, 1), (2, 4, 999), (2, 4, 999), (2, 4, 999), (2, 4, 999))
        let found = one.differences(other)
        #expect(found.map(\.pages) == [999, -1])
        #expect(found.map(\.mine) == [1, 2])
        #expect(found.map(\.others) == [4, 0])
    }

    /// No kernel writes so many different ones, and a trace may not fill the memory with them.
    @Test func `of too many different numbers of pages the rest is counted, and matches nothing`() {
        let count = 100_000
        let one = tally((0..<count).map { (0, 3, Int64(1000 + $0)) } + [(0, 4, 1)])
        #expect(one.total == count + 1)
        #expect(one.count(reason: 3) == count)
        #expect(one.matched(one) < count)
        #expect(one.matched(one, reason: 4) == 1)
    }

    @Test func `of many different numbers of pages those that came before the limit are told apart still`() {
        var one = FlushTally(cpus: 1)
        for pages in [1000] + Array(2000..<102_000) + [1000] { one.add(cpu: 0, reason: 3, pages: Int64(pages)) }
        #expect(one.count(reason: 3, pages: 1000) == 2)
        #expect(one.total == 100_002)
    }
}

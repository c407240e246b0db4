import Dispatch
import Testing

@testable import TraceData

/// The order that is found from batches is that of a merge which looks at the heads.
@Suite struct MergeAheadTests {
    /// Records by their times, in batches, which are handed in before the records in them come; `view` records before, as a ``Lookahead`` does.
    private final class Source: TimedSource {
        let number: Int
        let batches: [[UInt64]]
        var view: Int
        /// Behind the last batch.
        var error: TraceError?
        var order: MergeAhead?
        private var position = -1
        private var handedIn = 0
        private var known = 0

        init(_ number: Int, _ batches: [[UInt64]], view: Int = 1, error: TraceError? = nil) {
            (self.number, self.batches, self.view, self.error) = (number, batches, view, error)
        }

        var headTime: UInt64 { batches.joined()[atDistance: position] }

        func advance() throws(TraceError) -> Bool {
            position += 1
            while order != nil, handedIn < max(1, batches.count), known < position + view { handIn() }
            if position < batches.joined().count { return true }
            if let error { throw error }
            return false
        }

        func handIn() {
            let times = batches.isEmpty ? [] : batches[handedIn]
            let batch = RecordBatch(times.map { time in
                var record = CompactRecord()
                record.time = time
                return (record, Details())
            })
            handedIn += 1
            known += times.count
            batch.isLast = handedIn >= batches.count && error == nil
            if handedIn >= batches.count { batch.error = error }
            order?.take(batch, of: number)
        }

        func copy() -> Source { Source(number, batches, view: view, error: error) }
    }

    private static func sources(_ count: Int, times: ClosedRange<UInt64>, error: TraceError? = nil) -> [Source] {
        (0..<count).map { number in
            // Some have nothing, some have empty batches.
            let batches = (0..<Int.random(in: 0...4)).map { _ in Int.random(in: 0...9) }
            var sorted = (0..<batches.reduce(0, +)).map { _ in UInt64.random(in: times) }.sorted()[...]
            return Source(number, batches.map { length in defer { sorted = sorted.dropFirst(length) }; return Array(sorted.prefix(length)) }, error: number == 1 ? error : nil)
        }
    }

    private static func heads(_ sources: [Source]) -> (found: [Int], error: TraceError?) {
        var merge = TimeMerge(sources)
        var found: [Int] = []
        do throws(TraceError) { while try merge.next() { found.append(merge.current) } } catch { return (found, error) }
        return (found, nil)
    }

    private static func ahead(_ sources: [Source], _ order: MergeAhead) -> (found: [Int], error: TraceError?) {
        var merge = OrderedMerge(sources, order: order)
        var found: [Int] = []
        do throws(TraceError) { while try merge.next() { found.append(merge.head.number) } } catch { return (found, error) }
        return (found, nil)
    }

    /// With few times there are many equal ones; some ranges have those that would stand for something else in a queue.
    @Test(arguments: [1, 2, 3, 4, 5, 8, 9, 40], [0...UInt64(20), 0...1_000_000, 0...1, (UInt64.max - 6)...(UInt64.max - 2)])
    func theOrderIsThatOfTheHeads(_ count: Int, _ times: ClosedRange<UInt64>) {
        for _ in 0..<40 {
            let sources = Self.sources(count, times: times)
            let expected = Self.heads(sources.map { $0.copy() })
            let order = MergeAhead(sources: count, isConcurrent: false)
            for source in sources { (source.order, source.view) = (order, Int.random(in: 1...12)) }
            #expect(Self.ahead(sources, order).found == expected.found)
        }
    }

    @Test(arguments: [2, 4, 7]) func anErrorComesBehindTheSameRecords(_ count: Int) {
        for _ in 0..<40 {
            let sources = Self.sources(count, times: 0...30, error: TraceError(path: "a.dat", offset: 7, cause: "broken"))
            let expected = Self.heads(sources.map { $0.copy() })
            let order = MergeAhead(sources: count, isConcurrent: false)
            for source in sources { source.order = order }
            let result = Self.ahead(sources, order)
            #expect(result.found == expected.found)
            #expect(result.error == expected.error && result.error != nil)
        }
    }

    @Test(arguments: [1, 4, 6]) func anotherThreadFindsTheSame(_ count: Int) {
        for _ in 0..<40 {
            let sources = Self.sources(count, times: 0...100)
            let expected = Self.heads(sources.map { $0.copy() })
            let order = MergeAhead(sources: count, isConcurrent: true)
            // In any order of the sources, from two threads.
            var turns = sources.flatMap { source in source.batches.isEmpty ? [source.number] : source.batches.map { _ in source.number } }
            turns.shuffle()
            for parity in 0..<2 {
                let mine = turns.filter { $0 % 2 == parity }
                nonisolated(unsafe) let fed = sources.map { $0.copy() }
                for source in fed { source.order = order }
                DispatchQueue.global().async { for turn in mine { fed[turn].handIn() } }
            }
            #expect(Self.ahead(sources, order).found == expected.found)
        }
    }

    @Test func withoutSourcesThereIsNothing() {
        #expect(Self.ahead([], MergeAhead(sources: 0, isConcurrent: true)).found.isEmpty)
    }
}

extension Sequence {
    fileprivate subscript(atDistance distance: Int) -> Element {
        var iterator = makeIterator()
        for _ in 0..<distance { _ = iterator.next() }
        return iterator.next()!
    }
}

import Reconstruction
import Testing
import TraceSynth

@testable import Replay

/// Beside a list that is searched from its beginning.
struct WaitingRecordsTests {
    private struct Plain {
        var list: [(key: WaitingRecords.Key, isPredicted: Bool, time: UInt64)] = []

        mutating func meet(_ key: WaitingRecords.Key, isPredicted: Bool) -> Bool {
            guard let found = list.firstIndex(where: { $0.key == key && $0.isPredicted != isPredicted }) else { return false }
            list.remove(at: found)
            return true
        }

        mutating func takeFirst(before time: UInt64) -> UInt64? { list.first.map { $0.time < time } == true ? list.removeFirst().time : nil }
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func `records meet, and expire, as if all were looked through`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var (waiting, plain) = (WaitingRecords(), Plain())
        for time in 0..<20_000 as Range<UInt64> {
            let key = WaitingRecords.Key(reason: Int32.random(in: 0..<3, using: &random), pages: Int64.random(in: 0..<3, using: &random))
            let isPredicted = Bool.random(using: &random)
            let met = waiting.meet(key, isPredicted: isPredicted)
            #expect(met == plain.meet(key, isPredicted: isPredicted))
            if !met {
                let moment = Moment(time: time, cpu: 0, pid: 0, cause: .tlbFlush)
                #expect(waiting.wait(key, isPredicted: isPredicted, Deviation(kind: .missingIPI, moment: moment))?.moment.time == nil)
                plain.list.append((key, isPredicted, time))
            }
            guard time % 7 == 0 else { continue }
            let limit = time > 300 ? time - UInt64.random(in: 0..<300, using: &random) : 0
            while let first = plain.takeFirst(before: limit) { #expect(waiting.takeFirst(before: limit)?.moment.time == first) }
            #expect(waiting.takeFirst(before: limit)?.moment.time == nil)
        }
    }

    @Test func `of more than may wait the oldest is told`() {
        var waiting = WaitingRecords()
        func wait(_ time: UInt64) -> UInt64? {
            let deviation = Deviation(kind: .missingIPI, moment: Moment(time: time, cpu: 0, pid: 0, cause: .tlbFlush))
            return waiting.wait(WaitingRecords.Key(reason: Int32(time % 2), pages: 1), isPredicted: true, deviation)?.moment.time
        }
        for time in 0..<UInt64(WaitingRecords.limit) { #expect(wait(time) == nil) }
        #expect(wait(100_000) == 0)
        let met = waiting.meet(WaitingRecords.Key(reason: 1, pages: 1), isPredicted: false)
        #expect(met)
        #expect(wait(100_001) == 2)
    }
}

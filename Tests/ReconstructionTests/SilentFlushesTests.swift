import Testing
import TraceSynth

@testable import Reconstruction

/// Counts that are added later are those that would have been added at once.
struct SilentFlushesTests {
    @Test(arguments: [3, 200]) func `silence is counted between the right tasks`(cpus: Int) {
        var random = SplitMix64(seed: 7)
        var current = (0..<cpus).map { Int32(1 + $0) }
        let counts = SilentFlushes(cpus: cpus)
        var (relations, expected) = (PairTable(empty: Relation()), [Set<Int32>: UInt32]())
        func same() -> Bool {
            // Who asks has a copy, and what is counted goes on.
            var copy = relations
            counts.add(to: &copy)
            return Dictionary(uniqueKeysWithValues: copy.map { (Set([$0.a, $0.b]), $0.value.different) }) == expected
        }
        for round in 0..<3000 {
            let sender = Int.random(in: 0..<cpus, using: &random)
            if round % 3 == 0 { current[Int.random(in: 0..<cpus, using: &random)] = Int32.random(in: 1..<40, using: &random) }
            let places = counts.places(sender, current[sender], &relations)
            for other in 0..<cpus where current[other] != current[sender] && Int.random(in: 0..<4, using: &random) > 0 {
                SilentFlushes.count(places + other, current[other], current[sender], &relations)
                expected[Set([current[other], current[sender]]), default: 0] += 1
            }
            if round % 500 == 499 { #expect(same()) }
        }
    }
}

import Testing
import TraceSynth

@testable import Reconstruction

/// Tables by pairs of nodes, and classes that are apart, beside what dictionaries say.
@Suite struct PairTableTests {
    private struct Pair: Hashable {
        var low: Int32
        var high: Int32

        init(_ a: Int32, _ b: Int32) { (low, high) = (min(a, b), max(a, b)) }
    }

    /// So many that it grows again and again.
    @Test func aPairHasOneValueInEitherOrder() {
        var random = SplitMix64(seed: 1)
        var (table, known) = (PairTable<UInt32>(empty: 7), [Pair: UInt32]())
        #expect(table[1, 2] == 7)
        for _ in 0..<20_000 {
            let (a, b) = (Int32.random(in: 0..<200, using: &random), Int32.random(in: 0..<200, using: &random))
            table[a, b] += 3
            known[Pair(a, b), default: 7] += 3
            #expect(table[b, a] == known[Pair(a, b)])
        }
        #expect(table.count == known.count)
        #expect(Dictionary(uniqueKeysWithValues: table.map { (Pair($0.a, $0.b), $0.value) }) == known)
        #expect(table.allSatisfy { $0.a <= $0.b })
        #expect(table[200, 0] == 7)
    }

    @Test func theLargestNumbersAreNodesAsWell() {
        var table = PairTable<Int>(empty: 0)
        for node in [0, 1, Int32.max - 1, .max] as [Int32] { table[node, .max] += Int(node) }
        #expect(table.count == 4)
        #expect(table[.max, .max] == Int(Int32.max))
    }

    /// Whoever asks early goes on with a copy.
    @Test func itIsAValue() {
        var table = PairTable<Int>(empty: 0)
        table[1, 2] = 5
        var copy = table
        copy[1, 2] = 6
        copy[3, 4] = 1
        #expect(table[1, 2] == 5)
        #expect(table[3, 4] == 0)
        #expect(copy[1, 2] == 6)
    }

    /// Classes are joined at random, into the root with the lesser number as ``TaskClasses`` does; between two of them is the sum of what is between their members.
    @Test(arguments: 0..<10) func whatSetsMembersApartSetsTheirClassesApart(_ round: Int) {
        let nodes = 20 as Int32
        var random = SplitMix64(seed: UInt64(round))
        var apart = Differences(nodes: Int(nodes))
        var (counts, roots) = ([Pair: UInt32](), Array(0..<nodes))
        for _ in 0..<100 {
            let (a, b, count) = (Int32.random(in: 0..<nodes, using: &random), Int32.random(in: 0..<nodes, using: &random), UInt32.random(in: 1...9, using: &random))
            guard a != b else { continue }
            apart.add(a, b, count)
            counts[Pair(a, b), default: 0] += count
        }
        for _ in 0..<30 {
            let (a, b) = (roots.randomElement(using: &random)!, roots.randomElement(using: &random)!)
            if a == b { continue }
            apart.merge(a, b, into: min(a, b))
            roots = roots.map { $0 == max(a, b) ? min(a, b) : $0 }
            for left in Set(roots) {
                for right in Set(roots) where left != right {
                    let members = counts.filter { pair, _ in Set([roots[Int(pair.low)], roots[Int(pair.high)]]) == Set([left, right]) }
                    #expect(apart.between(left, right) == members.values.reduce(0, +))
                }
            }
        }
    }

    @Test func countsStopAtTheLargest() {
        var apart = Differences(nodes: 3)
        apart.add(0, 1, .max)
        apart.add(0, 1, 5)
        apart.add(2, 1, 5)
        apart.merge(0, 2, into: 0)
        #expect(apart.between(0, 1) == .max)
        #expect(apart.between(1, 0) == .max)
    }
}

import LazyTLB
import Reconstruction
import Replay
import Testing
@testable import Verification

/// The schemes on all histories of a small machine.
@Suite struct ExplorationTests {
    private static let small = Exploration(cpus: 2, mms: 1)

    @Test func allHoldsOnTwoCPUsAndOneMM() {
        #expect(Self.small.isComplete)
        #expect(Self.small.violations.isEmpty, "\(Self.small.violations)")
        // Every kind of phase, and flushes of both CPUs under way at once, are there.
        #expect(Self.small.states > 1000 && Self.small.transitions > 3 * Self.small.states)
    }

    /// What docs/reading-a-report.md says of each kind: which old scheme has it.
    @Test func theSchemesDifferInTheKindsThatAreDescribed() {
        func kinds(_ old: String) -> Set<Divergence.Kind> { Set(Self.small.differences.filter { $0.old == old }.map(\.kind)) }
        let both: Set<Divergence.Kind> = [.staleActiveMM, .noopIPI, .noopLocalFlush, .redundantCR3Load, .extraFlush]
        #expect(kinds(V413Parent.id) == both)
        // Its batched flush leaves a lazy CPU in the mask; what that IPI then makes it leave, the others keep.
        #expect(kinds(V412.id) == both.union([.extraIPI, .missingIPI]))
    }

    /// Each history again, in the replay that reports are made with, on its short ways: it shows the difference with its last step, and not before.
    @Test func aReplayOfEachHistoryShowsItsDifference() throws {
        for difference in Self.small.differences {
            var replay = Replay(cpus: Self.small.cpus)
            var counts: [Int] = []
            func count() throws -> Int {
                // An interval counts where it ends.
                if difference.kind == .staleActiveMM {
                    let (booked, loaded) = difference.old == V412.id
                        ? (replay.v412.scheme.bookedMM(0), replay.v412.scheme.loadedMM(0)) : (replay.v413Parent.scheme.bookedMM(0), replay.v413Parent.scheme.loadedMM(0))
                    return booked.isUser && loaded == .initMM ? 1 : 0
                }
                return try #require(replay.comparisons.first { $0.old == difference.old }).count(difference.kind)
            }
            for cpu in 0..<Self.small.cpus { replay.apply(.cpuUp(cpu: cpu), at: Moment(time: 0, cpu: cpu, pid: 0, cause: .other)) }
            for (index, step) in difference.history.enumerated() {
                let cpu = step.stimulus.cpu
                if !step.batch.isEmpty {
                    var batch = Batch(cpus: Self.small.cpus)
                    batch.mms = step.batch
                    replay.setBatch(batch, cpu: cpu)
                }
                replay.apply(step.stimulus, at: Moment(time: UInt64(index), cpu: cpu, pid: 0, cause: .other))
                counts.append(try count())
            }
            #expect(counts.last == 1 && counts.dropLast().allSatisfy { $0 == 0 }, "\(difference.old) \(difference.kind) \(counts)")
        }
    }

    @Test func aLimitOfStepsIsKept() {
        let short = Exploration(cpus: 2, mms: 2, length: 3)
        #expect(!short.isComplete && short.longest == 3)
        #expect(short.differences.allSatisfy { $0.history.count <= 3 })
        #expect(Set(short.differences.map(\.kind)) == [.staleActiveMM, .extraFlush])
        // Those that need longer histories are the same ones in more.
        for difference in Exploration(cpus: 2, mms: 1, length: 5).differences {
            #expect(Self.small.differences.contains { $0.old == difference.old && $0.kind == difference.kind && $0.history == difference.history })
        }
    }
}

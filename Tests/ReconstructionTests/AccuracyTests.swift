@testable import AccuracyKit
import Reconstruction
import Testing
import TraceData

/// The inference against the probe events of the same recording. `tools/accuracy --check FILE…` does the same for any recordings.
@Suite struct AccuracyTests {
    @Test(arguments: Recordings.fixtures, [EvidenceLevel.noProbes, .noCloneFlags, .switchesOnly])
    func inferenceReachesItsFloorsOnTheFixtures(_ path: String, _ level: EvidenceLevel) throws { try expectFloors(path, level) }

    @Test(.enabled(if: Recordings.hasLarger, "no larger set of recordings: set LAZYTLB_TRACES"), arguments: Recordings.larger, [EvidenceLevel.noProbes, .noCloneFlags, .switchesOnly])
    func inferenceReachesItsFloorsOnHardCases(_ path: String, _ level: EvidenceLevel) throws { try expectFloors(path, level) }

    private func expectFloors(_ path: String, _ level: EvidenceLevel) throws {
        let file = try TraceFile(path: path)
        let truth = try Recordings.truth(path)
        let measured = try Measurement(file, level, against: truth)
        let floors = Floors(level, release: file.kernelRelease)
        #expect(floors.missed(by: measured.accuracy) == [])
    }

    /// Nobody reaches them by saying that he does not know.
    @Test func whatIsUnknownIsMissed() throws {
        let path = try #require(Recordings.fixtures.first)
        let truth = try Recordings.truth(path)
        let nothing = Accuracy(true: truth.history, inferred: History(cpus: truth.history.switches.count), from: 0)
        #expect(!Floors(.noProbes, release: "4.12.4").missed(by: nothing).isEmpty)
    }

    @Test(arguments: Recordings.fixtures)
    func theTruthMeasuredAgainstItselfIsAllRight(_ path: String) throws {
        let truth = try Recordings.truth(path)
        let accuracy = Accuracy(true: truth.history, inferred: truth.history, from: 0)
        for share in [accuracy.switches, accuracy.time, accuracy.neighbours] { #expect(share.accuracy == 1) }
        #expect(accuracy.mistakes.isEmpty)
        #expect(accuracy.switches.all > 500)
    }
}

import Report
import Testing

@testable import Checks

/// Which recordings can be compared: those of one workload on one kind of machine.
@Suite struct ComparabilityTests {
    private func reasons(_ change: (inout ReportDocument) -> Void) -> [String] {
        Comparability.reasons([Recording(report(change: change))], baseline().recordings)
    }

    @Test func anotherMachineOrClockOrEvidenceIsNotComparable() {
        #expect(reasons { $0.trace.cpus = 8 } == ["CPUs: 8 here, 4 in the baseline"])
        #expect(reasons { $0.trace.machine = "i686" } == ["architecture: i686 here, x86_64 in the baseline"])
        #expect(reasons { $0.trace.timeUnit = .count }.first?.hasPrefix("clock: ") == true)
        #expect(reasons { $0.evidence.kind = "probes" } == ["evidence: probes here, life-cycle in the baseline"])
    }

    @Test func anotherKernelIsComparable() {
        #expect(reasons { $0.trace.kernel = "4.12.4"; $0.recorded.scheme = "v4.12" }.isEmpty)
    }

    @Test func anotherMixOfTasksIsNotComparable() {
        let other = reasons { $0.workload!.tasks[0].name = "other" }
        #expect(other.count == 1)
        #expect(other[0].contains("only 10.0 % of the mix of tasks is the same"))
    }

    @Test func aUserTaskThatIsMissingIsNotComparable() {
        let more = reasons { $0.workload!.tasks = [.init(name: "work", isKernelThread: false, switches: 4_000), .init(name: "more", isKernelThread: false, switches: 500), .init(name: "kworker", isKernelThread: true, switches: 500)] }
        #expect(more == ["workload: more has 10.0 % of the switches here, 0 % in the baseline"])
    }

    /// docs/ci.md: a user task with 2 % of the switches or more in one, and less than a tenth of that in the other.
    @Test(arguments: [(1_000, 100, true), (1_000, 99, false), (200, 0, false), (199, 0, true)])
    func aUserTaskMayBeMuchRarerButNotMissing(here: Int, there: Int, isComparable: Bool) {
        func recording(_ path: String, _ switches: Int) -> Recording {
            Recording(report(path) { document in
                document.workload!.switches = 10_000
                document.workload!.tasks = [
                    .init(name: "work", isKernelThread: false, switches: 9_000 - switches), .init(name: "kworker", isKernelThread: true, switches: 1_000),
                    .init(name: "more", isKernelThread: false, switches: switches),
                ]
            })
        }
        #expect(Comparability.reasons([recording("a.dat", here)], [recording("b.dat", there)]).isEmpty == isComparable)
        #expect(Comparability.reasons([recording("a.dat", there)], [recording("b.dat", here)]).isEmpty == isComparable)
    }

    /// docs/ci.md: the sum of the smaller shares is at least 60 %.
    @Test(arguments: [(6_000, true), (5_999, false)]) func theMixesOverlapByThreeFifthsOrMore(common: Int, isComparable: Bool) {
        func recording(_ path: String, _ rest: String) -> Recording {
            Recording(report(path) { document in
                document.workload!.switches = 10_000
                document.workload!.tasks = [.init(name: "work", isKernelThread: false, switches: common), .init(name: rest, isKernelThread: true, switches: 10_000 - common)]
            })
        }
        #expect(Comparability.reasons([recording("a.dat", "kworker")], [recording("b.dat", "rcu_sched")]).isEmpty == isComparable)
    }

    /// docs/ci.md: by a factor of 6, either way. The baseline has 250 per CPU and second.
    @Test(arguments: [(6.0, true), (6.01, false)]) func theRateOfSwitchesMayDifferByAFactorOfSix(factor: Double, isComparable: Bool) {
        for duration in [10e9 * factor, 10e9 / factor] { #expect(reasons { $0.trace.durationNS = UInt64(duration.rounded(duration > 10e9 ? .down : .up)) }.isEmpty == isComparable) }
        #expect(reasons { $0.trace.durationNS = 100_000_000_000 } == ["workload: 25 context switches per CPU and second here, 250 in the baseline"])
        // Where a clock counts no time there is no rate.
        let untimed = { (path: String, duration: UInt64) in Recording(report(path) { $0.trace.timeUnit = .count; $0.trace.durationNS = duration }) }
        #expect(Comparability.reasons([untimed("a.dat", 1_000)], [untimed("b.dat", 1_000_000)]).isEmpty)
    }

    @Test func recordersAndNumbersAreNoPartOfTheMix() {
        #expect(reasons { $0.workload!.tasks = [.init(name: "work12", isKernelThread: false, switches: 4_000), .init(name: "trace-cmd", isKernelThread: false, switches: 100), .init(name: "kworker", isKernelThread: true, switches: 500)] }.isEmpty)
    }

    @Test func aRecorderBesideTheWorkloadIsNotComparableWithNone() {
        let recorded = reasons { $0.workload!.tasks.append(.init(name: "trace-cmd", isKernelThread: false, switches: 250)) }
        #expect(recorded == ["recorder: it has 5.0 % of the switches here, 0 % in the baseline"])
    }

    /// Each of a baseline's recordings, not only one of them: what was put together by force (or by hand) fits no machine.
    @Test func allRecordingsOfABaselineMustAgree() {
        func recordings(_ change: (inout ReportDocument) -> Void) -> [Recording] {
            baseline([report("base-1.dat"), report("base-2.dat", change: change), report("base-3.dat")]).recordings
        }
        func reasons(_ change: (inout ReportDocument) -> Void) -> [String] { Comparability.reasons([Recording(report())], recordings(change)) }
        #expect(reasons { _ in }.isEmpty)
        #expect(reasons { $0.trace.cpus = 2 } == ["CPUs: 4 here, 2 and 4 in the baseline"])
        #expect(reasons { $0.evidence.kind = "probes" } == ["evidence: life-cycle here, life-cycle and probes in the baseline"])
        // Of the workload the mean decides, and the rest is said.
        func recorder(_ document: inout ReportDocument) { document.workload!.tasks.append(.init(name: "trace-cmd", isKernelThread: false, switches: 160)) }
        #expect(reasons(recorder).isEmpty)
        let notes = Comparability.notes([Recording(report { $0.recorded.ipiSends = 7 })], recordings(recorder))
        #expect(notes.dropFirst() == ["base-2.dat, in the baseline beside those before it: recorder: it has 3.2 % of the switches in this one, 0 % in those"])
    }

    @Test func recordingsAreTheSameIfAllCountsAgree() {
        let (one, copy) = (Recording(report("a.dat")), Recording(report("b.dat")))
        #expect(one.isSameRecording(as: copy))
        let changes: [(inout ReportDocument) -> Void] = [
            { $0.trace.durationNS += 1 }, { $0.trace.events += 1 }, { $0.trace.cpus = 8 }, { $0.recorded.ipiSends += 1 }, { $0.trace.buffer = "b"; $0.recorded.contextSwitches -= 1 },
        ]
        for change in changes { #expect(!one.isSameRecording(as: Recording(report(change: change)))) }
        // How it was read makes no other recording of it.
        #expect(one.isSameRecording(as: Recording(report(scheme: "v4.12") { $0.evidence.kind = "flushes"; $0.trace.kernel = "4.12" })))
    }

    /// Shares whose sum is 0.6 or the number below it, by the order in which they are added. A dictionary's order is another one for each set of names, and in each run.
    @Test func theVerdictAtTheLimitDoesNotHangOnTheOrderOfASum() {
        let verdicts = (0..<64).map { variant in
            func recording(_ path: String, _ rest: String) -> Recording {
                Recording(report(path) { document in
                    document.workload!.switches = 1000
                    document.workload!.tasks = zip("abcdef", [86, 104, 154, 81, 89, 86]).map { .init(name: "\($0)\(variant)x", isKernelThread: true, switches: $1) }
                    document.workload!.tasks.append(.init(name: rest, isKernelThread: true, switches: 400))
                })
            }
            return Comparability.reasons([recording("a.dat", "y")], [recording("b.dat", "z")]).isEmpty
        }
        #expect(Set(verdicts).count == 1)
    }
}

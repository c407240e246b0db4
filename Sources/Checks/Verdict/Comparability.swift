import Report

/// Why recordings cannot be compared with those of a baseline. The kernel and its scheme are no reason: they are what is being checked.
///
/// Rates per 1,000 context switches hardly depend on how fast a machine is; they do depend on what ran there, on how many CPUs, and on the
/// probe events, which slow down the kernel where they sit. docs/ci.md explains each rule, with what it was measured on.
public enum Comparability {
    /// The least overlap of the two mixes of tasks: the sum of the smaller share of each name.
    static let leastOverlap = 0.6
    /// A user task's name with this share in one, and less than a tenth of it in the other, is another workload.
    static let notableShare = 0.02
    /// Context switches per CPU and second may differ by this factor: emulated machines differ by more than three between runs.
    static let mostRateFactor = 6.0
    /// Programs that record, and whose threads are no part of the workload.
    static let recorders: Set = ["trace-cmd", "perf", "lazytlb"]
    /// A recorder that runs beside the workload, not only before and after it, has this share of the switches or more: it interrupts the workload's
    /// CPUs, and is interrupted.
    static let recorderShare = 0.03

    /// What the two sides are called.
    struct Sides {
        var here = "here"
        var there = "in the baseline"
    }

    /// One sentence for each reason; empty if they can be compared. A baseline of which the recordings are not of one kind of machine (it was made by force, or edited) can
    /// be compared with nothing.
    public static func reasons(_ now: [Recording], _ baseline: [Recording]) -> [String] {
        reasons(now, baseline, Sides())
    }

    static func reasons(_ now: [Recording], _ baseline: [Recording], _ sides: Sides) -> [String] {
        machineReasons(now, baseline, sides) + workloadReasons(now, baseline, sides)
    }

    /// The same of a recording that is to be in a baseline with others.
    public static func reasons(_ recording: Recording, besideThoseBefore others: [Recording]) -> [String] {
        others.isEmpty ? [] : machineReasons([recording], others, before) + workloadReasons([recording], others, before)
    }

    private static let before = Sides(here: "in this one", there: "in those")

    /// What must be one and the same for all recordings of both sides.
    private static func machineReasons(_ now: [Recording], _ baseline: [Recording], _ sides: Sides) -> [String] {
        var reasons: [String] = []
        func one<Value: Hashable>(_ what: String, _ value: (Recording) -> Value, _ text: (Value) -> String) {
            let (here, there) = (Set(now.map(value)), Set(baseline.map(value)))
            guard here.union(there).count > 1 else { return }
            reasons.append("\(what): \(list(here.map(text).sorted(), "and")) \(sides.here), \(list(there.map(text).sorted(), "and")) \(sides.there)")
        }
        one("architecture", \.machine) { $0.map(printable) ?? "not known" }
        one("CPUs", \.cpus) { "\($0)" }
        one("clock", \.countsTime) { $0 ? "one that counts time" : "one that counts no time" }
        one("evidence", \.evidence) { printable($0) }
        return reasons
    }

    /// Each recording beside the mean of the other side.
    private static func workloadReasons(_ now: [Recording], _ baseline: [Recording], _ sides: Sides) -> [String] {
        now.flatMap { recording in
            var found = mixReasons(recording, mix(baseline), rate(baseline), sides)
            let (here, there) = (recorderShare([recording]), recorderShare(baseline))
            if max(here, there) >= recorderShare, min(here, there) < recorderShare / 3 {
                found.append("recorder: it has \(percentText(here)) of the switches \(sides.here), \(percentText(there)) \(sides.there)")
            }
            return found.map { now.count > 1 ? "\(printable(recording.path)): \($0)" : $0 }
        }
    }

    /// What the recordings differ in and may be compared nevertheless, and which of them are the same.
    ///
    /// In the workload the mean of the baseline's recordings decides; that they could not be compared with each other is said only. Checks by such mixtures give no more
    /// false alarms than others (docs/ci.md).
    public static func notes(_ now: [Recording], _ baseline: [Recording]) -> [String] {
        func kernels(_ recordings: [Recording]) -> String {
            list(Set(recordings.map { "\(printable($0.kernel ?? "not known")) (\($0.scheme ?? "none of the schemes"))" }).sorted(), "and")
        }
        let same = now.filter { recording in baseline.contains { $0.isSameRecording(as: recording) } }
        let own = baseline.indices.dropFirst().flatMap { index in
            workloadReasons([baseline[index]], Array(baseline[..<index]), before).map { "\(printable(baseline[index].path)), in the baseline beside those before it: \($0)" }
        }
        return ["kernel: \(kernels(now)) here, \(kernels(baseline)) in the baseline"]
            + same.map { "\(printable($0.path)) is one of the baseline's recordings: that nothing differs says nothing" } + own
    }

    /// Names and shares. Kernel threads count for the overlap only: which of them run is the kernel's business.
    private typealias Mix = [String: (share: Double, isKernelThread: Bool)]

    private static func mix(_ recordings: [Recording]) -> Mix {
        var sum: Mix = [:]
        for recording in recordings {
            let tasks = recording.tasks.filter { !recorders.contains($0.name) }
            let whole = max(1e-9, 1 - recording.tasks.filter { recorders.contains($0.name) }.reduce(0) { $0 + $1.share })
            for task in tasks {
                sum[stem(task.name), default: (0, task.isKernelThread)].share += task.share / whole / Double(recordings.count)
            }
        }
        return sum
    }

    /// A name without the number at its end: which of several workers runs most differs from run to run.
    private static func stem(_ name: String) -> String {
        let end = name.lastIndex { !$0.isNumber }
        return end.map { String(name[...$0]) } ?? name
    }

    /// The share of recorders in the switches.
    private static func recorderShare(_ recordings: [Recording]) -> Double {
        average(recordings.map { recording in recording.tasks.filter { recorders.contains($0.name) }.reduce(0) { $0 + $1.share } })
    }

    /// Context switches per CPU and second; nil where a clock counts no time.
    private static func rate(_ recordings: [Recording]) -> Double? {
        let rates = recordings.compactMap { recording in
            recording.exposure(.perCPUSecond).map { Double(max(recording.switches, 1)) / $0 }
        }
        return rates.isEmpty ? nil : exponential(average(rates.map(logarithm)))
    }

    private static func mixReasons(_ recording: Recording, _ baseline: Mix, _ baselineRate: Double?, _ sides: Sides) -> [String] {
        var reasons: [String] = []
        let here = mix([recording])
        if here.isEmpty || baseline.isEmpty { return ["workload: the report does not tell whose tasks ran"] }
        // In one order: at the limit the last bit of the sum decides, which would be another one from run to run.
        let overlap = here.sorted { $0.key < $1.key }.reduce(0) { $0 + min($1.value.share, baseline[$1.key]?.share ?? 0) }
        if overlap < leastOverlap {
            reasons.append(
                "workload: only \(percentText(overlap)) of the mix of tasks is the same: \(top(here)) \(sides.here), \(top(baseline)) \(sides.there)")
        } else {
            for (from, to, place, other) in [(here, baseline, sides.here, sides.there), (baseline, here, sides.there, sides.here)] {
                for (name, task) in from.sorted(by: { $0.key < $1.key }) where !task.isKernelThread && task.share >= notableShare {
                    let share = to[name]?.share ?? 0
                    guard share < task.share / 10 else { continue }
                    reasons.append("workload: \(printable(name)) has \(percentText(task.share)) of the switches \(place), \(percentText(share)) \(other)")
                }
            }
        }
        if let baselineRate, let rate = rate([recording]) {
            let factor = max(rate / baselineRate, baselineRate / rate)
            if factor > mostRateFactor {
                reasons.append(
                    "workload: \(numberText(rate.rounded())) context switches per CPU and second \(sides.here), \(numberText(baselineRate.rounded())) \(sides.there)")
            }
        }
        return reasons
    }

    private static func top(_ mix: Mix) -> String {
        mix.sorted { ($1.value.share, $0.key) < ($0.value.share, $1.key) }.prefix(3)
            .map { "\(printable($0.key)) \(percentText($0.value.share))" }.joined(separator: ", ")
    }
}

import ArgumentParser
import Checks
import Reconstruction
import Replay
import Report
import TraceData

/// Measures checks on recordings of which it is known that nothing changed: how often they see something, and how often they see what is put in.
@main
struct CalibrateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibrate",
        abstract: "Measure false alarms and missed regressions of lazytlb check.",
        discussion: """
            Recordings are of one workload if their names agree up to the fourth dash (v4.12-threads-4cpu-plain-…; with --no-probes up to the third) \
            and a check takes them for comparable. Every way to make one part of them the baseline and to check another part of them is tried, or of very many ways \
            each n-th.
            """)

    @Argument(help: ArgumentHelp("trace.dat files.", valueName: "trace"))
    var traces: [String]

    @Flag(help: "Read recordings with probe events as if they had none, and take them for the same workload as those that have none.")
    var noProbes = false

    @Flag(help: "Put in records of IPIs alone, which no scheme explains, instead of shootdowns that are done twice.")
    var recordsAlone = false

    func run() throws {
        var groups: [String: [(plain: Recording, more: [Recording])]] = [:]
        for path in traces {
            guard let plain = recording(path, 0) else { continue }
            let name = path.split(separator: "/").last.map(String.init) ?? path
            let group = name.split(separator: "-").prefix(noProbes ? 3 : 4).joined(separator: "-").replacing(".dat", with: "")
            groups[group, default: []].append((plain, Self.shares.compactMap { recording(path, $0) }))
        }
        print("| recordings | of them | in the baseline | checked | checks | false alarms |" + Self.shares.map { " +\(Int($0 * 100)) % found |" }.joined())
        print("| --- | ---: | --- | --- | ---: | ---: |" + Self.shares.map { _ in " ---: |" }.joined())
        var sums: [Size: Tally] = [:]
        for (name, all) in groups.sorted(by: { $0.key < $1.key }) {
            // Those that can be compared with another one.
            let members = all.filter { member in
                all.contains { $0.plain.path != member.plain.path && Self.failures([member.plain], Baseline(tool: "", recordings: [$0.plain])) != nil }
            }
            for (size, tally) in Self.measure(members).sorted(by: { $0.key < $1.key }) {
                print(tally.row("\(name) | \(members.count) | \(size.text)"))
                sums[size, default: Tally()].add(tally)
            }
        }
        for (size, tally) in sums.sorted(by: { $0.key < $1.key }) { print(tally.row("all |  | \(size.text)")) }
        print()
        for (size, tally) in sums.sorted(by: { $0.key < $1.key }) where tally.alarms > 0 {
            print("False alarms, \(size.text): \(tally.causes.sorted { $0.value > $1.value }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))")
        }
    }

    static let shares = [0.05, 0.1, 0.2]
    static let mostWays = 20_000

    /// How many recordings are on each side, roughly.
    enum Size: Int, Comparable, Hashable {
        case single, few, several, many
        static func < (left: Size, right: Size) -> Bool { left.rawValue < right.rawValue }

        init(_ baseline: Int, _ now: Int) {
            self = baseline + now == 2 ? .single : baseline >= 6 && now >= 3 ? .many : baseline >= 3 && now >= 2 ? .several : .few
        }

        var text: String {
            switch self {
            case .single: "1 | 1"
            case .few: "fewer |"
            case .several: "3 or more | 2 or more"
            case .many: "6 or more | 3 or more"
            }
        }
    }

    struct Tally {
        /// By metric.
        var causes: [String: Int] = [:]
        var checks = 0
        var alarms = 0
        var found = [Int](repeating: 0, count: CalibrateCommand.shares.count)

        mutating func add(_ other: Tally) {
            checks += other.checks
            alarms += other.alarms
            causes.merge(other.causes, uniquingKeysWith: +)
            for index in found.indices { found[index] += other.found[index] }
        }

        func row(_ head: String) -> String {
            func share(_ part: Int) -> String { "\(part) (\(Double(part * 1000 / max(checks, 1)) / 10) %)" }
            return "| \(head) | \(checks) | \(share(alarms)) |" + found.map { " \(share($0)) |" }.joined()
        }
    }

    /// All pairs, and all ways to give each recording to the baseline, to the check, or to neither.
    static func measure(_ members: [(plain: Recording, more: [Recording])]) -> [Size: Tally] {
        var tallies: [Size: Tally] = [:]
        func check(_ baseline: [Int], _ now: [Int]) {
            let expected = Baseline(tool: "", recordings: baseline.map { members[$0].plain })
            guard let failed = failures(now.map { members[$0].plain }, expected) else { return }
            let size = Size(baseline.count, now.count)
            tallies[size, default: Tally()].checks += 1
            if !failed.isEmpty { tallies[size]!.alarms += 1 }
            for name in failed { tallies[size]!.causes[name, default: 0] += 1 }
            for index in shares.indices where failures(now.map { members[$0].more[index] }, expected)?.isEmpty == false {
                tallies[size]!.found[index] += 1
            }
        }
        for left in members.indices {
            for right in members.indices where left != right { check([left], [right]) }
        }
        var ways = 1
        for _ in members { ways *= 3 }
        // A stride that has no factor in common with 3, so that all recordings take all parts.
        for way in stride(from: 0, to: ways, by: ways > mostWays ? ways / mostWays * 3 + 1 : 1) {
            var (baseline, now): ([Int], [Int]) = ([], [])
            var rest = way
            for index in members.indices {
                if rest % 3 == 1 { baseline.append(index) } else if rest % 3 == 2 { now.append(index) }
                rest /= 3
            }
            if !baseline.isEmpty, !now.isEmpty, baseline.count + now.count > 2 { check(baseline, now) }
        }
        return tallies
    }

    /// The metrics in which a check of the recordings sees a regression; nil if they are not comparable, or cannot support what is judged.
    static func failures(_ recordings: [Recording], _ baseline: Baseline) -> [String]? {
        let check = Check(recordings: recordings)
        guard check.comparable(baseline).outcome == .passed else { return nil }
        let findings = check.againstBaseline(baseline)
        return findings.contains { $0.outcome == .inconclusive } ? nil : findings.filter { $0.outcome == .failed }.map(\.subject)
    }

    /// The recording with a share more of IPIs; nil if it cannot be replayed.
    func recording(_ path: String, _ share: Double) -> Recording? {
        guard let file = try? TraceFile(path: path, options: TraceFile.Options(buffer: nil, keepGoing: false, progress: ReadingProgress())),
            file.missingEvents.isEmpty
        else { return nil }
        let kernel = RecordedKernel(release: file.kernelRelease)
        let replay = Replay(cpus: Reconstruction<Replay>.cpuCount(file), primary: kernel.primary)
        guard let history = try? Reconstruction(file, sink: ExtraIPIs(replay, share: share, recordsAlone: recordsAlone), evidence: noProbes ? .noProbes : .all).map(\.replay), history.sink.recorded.total > 0 else { return nil }
        let context = ReportContext(tool: .init(version: ""), trace: .init(file, history, release: kernel.release), kernel: kernel)
        return Recording(ReportDocument(history, context))
    }
}

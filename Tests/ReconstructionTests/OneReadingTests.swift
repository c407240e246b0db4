import Foundation
import LazyTLB
@testable import Reconstruction
import Testing
import TraceData
import TraceSynth

/// Both passes in one reading drive a sink just as one after the other does, whatever was told too early.
struct OneReadingTests {
    /// From what is used to the second pass at the heels of the first, which tells it much that is wrong; with so many threads.
    private static let ways: [(pace: Leader.Pace, jobs: Int)] = [
        (Leader.Pace(), 1), (Leader.Pace(), 2), (Leader.Pace(), 3), (Leader.Pace(stretch: 500, distance: 3000), 2), (Leader.Pace(stretch: 64, distance: 200), 1), heels,
    ]
    private static let heels = (pace: Leader.Pace(stretch: 1, distance: 0), jobs: 2)

    @Test(arguments: Recordings.all) func `in recordings`(path: String) throws { try compare(path, Self.ways) }

    @Test(arguments: Recordings.hasLarger ? Recordings.larger : []) func `in larger recordings`(path: String) throws { try compare(path, [(Leader.Pace(), 2), (Leader.Pace(stretch: 64, distance: 200), 2)]) }

    @Test(arguments: zip(Mix.allCases, [2, 9, 4, 4, 3, 2])) func `in what is made up`(mix: Mix, cpus: Int) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("one-reading-\(UUID()).dat").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        var options = SynthOptions()
        (options.events, options.cpus, options.tasks, options.mix, options.seed) = (30_000, cpus, 40, mix, 3)
        _ = try synthesize(options, to: path)
        // All that the machine does is told in time.
        #expect(try compare(path, [(Leader.Pace(), 2)]) == 1)
        try compare(path, [(Leader.Pace(stretch: 64, distance: 200), 2), Self.heels])
    }

    /// With batches of some records each one is handed from thread to thread some thousand times, as in a trace of gigabytes, and now and then all threads come to it at the same moment.
    @Test(arguments: [2, 3, 4]) func `however often threads meet`(jobs: Int) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("one-reading-\(UUID()).dat").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        var options = SynthOptions()
        (options.events, options.cpus, options.tasks, options.seed) = (30_000, 4, 40, 5)
        _ = try synthesize(options, to: path)
        let pace = Leader.Pace(stretch: 64, distance: 4096, batch: 8)
        #expect(try compare(path, Array(repeating: (pace, jobs), count: 10)) == 10)
    }

    /// Neither is an exception: else the comparison above would compare one with itself.
    @Test func `at the heels it is sometimes enough and sometimes not`() throws {
        let done = try Recordings.all.reduce(0) { $0 + (try compare($1, [Self.heels])) }
        #expect(done > 0 && done < Recordings.all.count, "\(done)")
    }

    @Test func `is not tried without what it hangs on`() throws {
        let probes = Recordings.fixture("v4.13-threads-4cpu-truth.dat")
        let file = try TraceFile(path: probes)
        #expect(try OneReading(file, sink: Log(), evidence: .all) == nil)
        #expect(try OneReading(file, sink: Log(), evidence: .switchesOnly) == nil)
    }

    /// Returns how often one reading was enough.
    @discardableResult private func compare(_ path: String, _ ways: [(pace: Leader.Pace, jobs: Int)]) throws -> Int {
        let file = try TraceFile(path: path)
        let plain = try Reconstruction(file, sink: Log(), evidence: .noProbes)
        var done = 0
        for (pace, jobs) in ways {
            switch try OneReading(file, sink: Log(), evidence: .noProbes, workers: Workers(jobs: jobs, shareLast: true), pace: pace) {
            case .done(let history):
                try compare(history, plain)
                done += 1
            case .needsAnother(let first): try compare(try Reconstruction(file, sink: Log(), evidence: .noProbes, after: first), plain)
            case nil: continue
            }
        }
        return done
    }

    private func compare(_ one: Reconstruction<Log>, _ other: Reconstruction<Log>) throws {
        if one.sink.entries != other.sink.entries {
            let place = zip(one.sink.entries, other.sink.entries).enumerated().first { $0.element.0 != $0.element.1 }
            Issue.record("\(one.sink.entries.count) and \(other.sink.entries.count) entries; \(String(describing: place))")
        }
        #expect("\(one.evidence)" == "\(other.evidence)")
        #expect(one.switchesByName == other.switchesByName && one.names == other.names)
        #expect(one.records == other.records && one.switches == other.switches && one.start == other.start && one.end == other.end)
        for mm in one.sink.mms.union(other.sink.mms) { #expect(one.mms.name(mm) == other.mms.name(mm)) }
    }
}

/// What was told early is held to what was found in the end, one thing after the other.
struct FindingsTests {
    private static let script = {
        var script = Script()
        script.name(30, "daemon")
        script.run(30, loads: true)
        script.fork(31, flags: 0)
        script.run(31, loads: true)
        script.exit()
        script.run(30, state: 0x10)
        return script
    }()

    private let tasks: TaskNodes
    private let classes: TaskClasses
    private let node: Int32
    private let dead: Int32

    init() throws {
        let pass = Self.script.firstPass()
        (tasks, classes) = (pass.walk.tasks, TaskClasses(pass))
        node = try #require(tasks.existing(30))
        dead = try #require(tasks.existing(31))
    }

    /// All as it was found, but what `change` makes of it.
    private func told(_ change: (inout Findings.News) -> Void = { _ in }) -> Findings {
        var news = Findings.News()
        for node in tasks.nodes.indices { news.nodes.append(Findings.Node(mm: classes.mm[node], basis: classes.basis[node])) }
        news.isVague = Array(classes.isVague.dropFirst())
        news.gaps = classes.settlements.enumerated().map { ($0, Findings.Settled(mm: $1, execs: classes.execsInGaps[$0])) }
        news.ends = [(dead, tasks[dead].switchesWithMM)]
        change(&news)
        var findings = Findings()
        findings.take(news)
        return findings
    }

    @Test func `as it was found`() {
        var findings = told()
        #expect(findings.agree(with: classes, tasks))
        #expect(!findings.isDying(node, tasks[node].switchesWithMM) && findings.isDying(dead, tasks[dead].switchesWithMM + 1))
        #expect(findings.isVague(classes.mm[Int(node)]) == classes.isVague[Int(classes.mm[Int(node)].index)])
        #expect(findings.agree(with: classes, tasks))
    }

    @Test func `another mm`() { #expect(!told { $0.nodes[Int(node)].mm = .none }.agree(with: classes, tasks)) }

    @Test func `another basis is no matter`() { #expect(told { $0.nodes[Int(node)].basis = .unknown }.agree(with: classes, tasks)) }

    @Test func `a node too few`() { #expect(!told { $0.nodes.removeLast() }.agree(with: classes, tasks)) }

    @Test func `another end`() { #expect(!told { $0.ends[0].switchesWithMM += 1 }.agree(with: classes, tasks)) }

    @Test func `another settlement`() { #expect(!told { $0.gaps[0].settled = Findings.Settled(mm: .unknown, execs: true) }.agree(with: classes, tasks)) }

    @Test func `taken for alive where it never shows an mm again`() {
        var findings = told()
        _ = findings.isDying(node, tasks[node].switchesWithMM + 1)
        #expect(!findings.agree(with: classes, tasks))
    }

    @Test func `said to be vague or not, and asked`() {
        let mm = classes.mm[Int(node)]
        var findings = told { $0.isVague[Int(mm.index) - 1].toggle() }
        #expect(findings.agree(with: classes, tasks), "nobody has asked")
        _ = findings.isVague(mm)
        #expect(!findings.agree(with: classes, tasks))
    }
}

/// Writes down all that a sink hears, but what a task's mm is known from.
private struct Log: StimulusSink {
    /// In numbers, since there are many.
    struct Entry: Equatable {
        var what: String
        var stimulus: Stimulus?
        var numbers: [Int64]
        var text = ""
    }

    var entries: [Entry] = []
    var mms: Set<MM> = []

    private mutating func note(_ what: String, _ moment: Moment, _ stimulus: Stimulus? = nil, _ text: String = "") {
        let numbers = [Int64(bitPattern: moment.time), Int64(moment.cpu), Int64(moment.recordCPU), Int64(moment.pid), Int64(moment.cause.rawValue)]
        entries.append(Entry(what: what, stimulus: stimulus, numbers: numbers, text: text))
    }

    mutating func clearLate() { entries.append(Entry(what: "clearLate", numbers: [])) }
    mutating func willRun(_ task: IncomingTask, cpu: Int) {
        entries.append(Entry(what: "willRun", numbers: [Int64(task.pid), Int64(bitPattern: task.comm.low), Int64(bitPattern: task.comm.high), Int64(task.begun), Int64(cpu)]))
    }
    mutating func apply(_ stimulus: Stimulus, at moment: Moment) {
        if case .contextSwitch(_, let mm) = stimulus { mms.insert(mm) }
        note("apply", moment, stimulus)
    }
    mutating func setBatch(_ batch: Batch, cpu: Int) {
        entries.append(Entry(what: "setBatch", numbers: [Int64(cpu)] + batch.mms.map { Int64($0.index) } + batch.others.cpus(0).map { Int64($0) }))
    }
    mutating func complete(cpu: Int, at moment: Moment) { note("complete \(cpu)", moment) }
    mutating func recorded(_ record: Held) {
        entries.append(Entry(what: "recorded", numbers: [Int64(record.time), Int64(record.cpu), Int64(record.reason), record.pages]))
    }
    mutating func loaded(_ mm: MM, cpu: Int, at time: UInt64) { entries.append(Entry(what: "loaded", numbers: [Int64(mm.index), Int64(cpu), Int64(time)])) }
    mutating func marker(_ text: String, at moment: Moment) { note("marker", moment, nil, text) }
}

import Foundation
import TestSupport
import Testing

/// `lazytlb timeline --format perfetto`: slices in the JSON trace event format, beside the rows of the same timeline.
@Suite struct TimelineTracksTests {
    private struct Slice: Equatable {
        /// ns.
        var start: UInt64
        var end: UInt64
        var name: String
        var arguments: [String: String]
    }

    private struct Event: Decodable {
        var ph: String
        var pid: Int
        var tid: Int?
        var ts: Decimal?
        var name: String?
        var args: [String: Argument]?
    }

    /// A text or a number.
    private struct Argument: Decodable {
        var text: String

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            text = try (try? value.decode(String.self)) ?? (try? String(value.decode(Int.self))) ?? ""
        }
    }

    private struct File: Decodable {
        var traceEvents: [Event]
        var otherData: [String: String?]
    }

    private func output(_ trace: String, _ format: String, _ options: [String]) throws -> Data {
        let outcome = try lazytlb(["timeline", trace, "--format", format] + options)
        try #require(outcome.status == 0, "\(outcome.errors)")
        return outcome.output
    }

    /// As a viewer makes them: by the names of process and thread, what begins ends before the next one begins.
    private func slices(_ trace: String, _ options: [String]) throws -> [String: [Slice]] {
        let events = try JSONDecoder().decode(File.self, from: output(trace, "perfetto", options)).traceEvents
        var (processes, threads): ([Int: String], [Int: String]) = ([:], [:])
        for event in events where event.ph == "M" {
            if event.name == "process_name" { processes[event.pid] = event.args?["name"]?.text }
            if event.name == "thread_name", let thread = event.tid { threads[thread] = event.args?["name"]?.text }
        }
        // A viewer keeps threads of several processes apart by their numbers alone, and takes the one that has the process's for its main thread.
        #expect(Set(processes.keys).isDisjoint(with: threads.keys))
        var (slices, open, latest): ([String: [Slice]], [String: Slice], [String: UInt64]) = ([:], [:], [:])
        for event in events where event.ph != "M" && event.ph != "i" {
            let track = "\(try #require(processes[event.pid])) \(try #require(event.tid.flatMap { threads[$0] }))"
            let time = (try #require(event.ts) * 1000 as NSDecimalNumber).uint64Value
            #expect(time >= latest[track, default: 0], "\(track) goes back")
            latest[track] = time
            if event.ph == "B" {
                #expect(open[track] == nil, "\(track): slices overlap")
                open[track] = Slice(start: time, end: time, name: try #require(event.name), arguments: (event.args ?? [:]).mapValues(\.text))
            } else {
                #expect(event.ph == "E")
                let ended = open.removeValue(forKey: track)
                var slice = try #require(ended, "\(track): the end of none")
                slice.end = time
                slices[track, default: []].append(slice)
            }
        }
        #expect(open.isEmpty, "without an end")
        return slices
    }

    private struct Row: Decodable {
        var cpu: Int
        var start_ns: UInt64
        var end_ns: UInt64
        var pid: Int?
        var comm: String?
        var mm: String?
        var loaded_mm: String
        var state: String
        var active_mm: String?
        var evidence: String

        /// The name and what is told beside it.
        typealias Content = (name: String, arguments: [String: String])

        var task: Content? {
            guard let pid else { return ("?", ["mm": mm ?? "none", "evidence": evidence]) }
            return pid == 0 ? nil : ("\(comm ?? "<...>")-\(pid)", ["mm": mm ?? "none", "evidence": evidence])
        }
    }

    /// The same from the rows: those that follow each other with the same content are one.
    private func expected(_ trace: String, _ options: [String]) throws -> [String: [Slice]] {
        var slices: [String: [Slice]] = [:]
        for line in try output(trace, "json", options).split(separator: UInt8(ascii: "\n")) {
            let row = try JSONDecoder().decode(Row.self, from: Data(line))
            let contents: [(String, Row.Content?)] = [
                ("task", row.task), ("loaded mm", (row.loaded_mm, [:])), ("state", (row.state, [:])), ("active_mm", row.active_mm.map { ($0, [:]) }),
            ]
            for case (let track, let content?) in contents {
                let track = "CPU \(row.cpu) \(track)"
                if let last = slices[track]?.last, last.end == row.start_ns, last.name == content.name, last.arguments == content.arguments {
                    slices[track]![slices[track]!.count - 1].end = row.end_ns
                } else {
                    slices[track, default: []].append(Slice(start: row.start_ns, end: row.end_ns, name: content.name, arguments: content.arguments))
                }
            }
        }
        return slices
    }

    @Test(arguments: [
        ("fixtures/v4.12-threads-2cpu-truth-c3idle.dat", ["--scheme", "v4.12", "--to", "14"]), ("fixtures/v4.12-threads-2cpu-truth-c3idle.dat", ["--cpu", "1", "--from", "13.9", "--to", "14"]),
        ("fixtures/v4.12-threads-4cpu-truth-lost.dat", ["--evidence", "switches-only"]), ("fixtures/debian7.3-forkexec-4cpu-truth.dat", []),
    ])
    func theSlicesAreTheRows(_ trace: String, _ options: [String]) throws {
        let (found, rows) = (try slices(trace, options), try expected(trace, options))
        #expect(Set(found.keys) == Set(rows.keys))
        for (track, slices) in rows { #expect(found[track] == slices, "\(track)") }
        // Only a scheme that keeps an active_mm has a track of it.
        #expect(found.keys.contains { $0.hasSuffix(" active_mm") } == options.contains("v4.12"))
    }

    /// What is no slice, all of it on the tracks of that name.
    private func moments(_ trace: String, _ options: [String], on track: String) throws -> [(time: UInt64, cpu: Int, event: Event)] {
        let events = try JSONDecoder().decode(File.self, from: output(trace, "perfetto", options)).traceEvents
        let tracks = Dictionary(events.filter { $0.name == "thread_name" }.map { ($0.tid!, "\($0.pid) \($0.args!["name"]!.text)") }, uniquingKeysWith: { $1 })
        return try events.filter { $0.ph == "i" }.map { event in
            #expect(tracks[try #require(event.tid)] == "\(event.pid) \(track)")
            return ((try #require(event.ts) * 1000 as NSDecimalNumber).uint64Value, event.pid / 10 - 1, event)
        }
    }

    private struct Report: Decodable {
        struct Divergence: Decodable {
            var kind: String
            var time_ns: UInt64
            var cpu: Int
            var old: String
            var mm: String?
            var targets: [Int]?
            var sender: Int?
        }

        var divergences: [Divergence]
    }

    /// The same as in a report, and nothing of them in a timeline that is no old scheme's.
    @Test(arguments: [
        ("fixtures/v4.12-threads-2cpu-truth-c3idle.dat", "v4.12", ["--to", "14", "--cpu", "1"]), ("fixtures/v4.12-reclaim-4cpu-truth.dat", "v4.13-parent", []),
    ])
    func divergencesAreThoseOfTheReport(_ trace: String, _ scheme: String, _ options: [String]) throws {
        let outcome = try lazytlb(["report", trace, "--format", "json", "--divergences", "all"])
        let wanted = try JSONDecoder().decode(Report.self, from: outcome.output).divergences.filter {
            $0.old == scheme && (options.isEmpty || $0.cpu == 1 && $0.time_ns <= 14_000_000_000)
        }
        #expect(wanted.count > 20)
        let found = try moments(trace, ["--scheme", scheme] + options, on: "divergences").map { time, cpu, event in
            "\(time) \(cpu) \(event.name ?? "") \(event.args?["mm"]?.text ?? "") \(event.args?["sender"]?.text ?? "") \(event.args?["targets"]?.text ?? "")"
        }
        let texts = wanted.map { "\($0.time_ns) \($0.cpu) \($0.kind) \($0.mm ?? "") \($0.sender.map(String.init) ?? "") \($0.targets.map { "\($0[0])" } ?? "")" }
        // None of them has more than one target here.
        #expect(wanted.allSatisfy { $0.targets?.count ?? 1 == 1 })
        #expect(found.sorted() == texts.sorted())
        for other in [["--scheme", "v4.13"], []] {
            let events = try JSONDecoder().decode(File.self, from: output(trace, "perfetto", other + options)).traceEvents
            #expect(!events.contains { $0.args?["name"]?.text == "divergences" })
        }
    }

    @Test func theFileSaysWhatItIsOf() throws {
        let trace = "fixtures/v4.12-threads-2cpu-truth-c3idle.dat"
        let replayed = try JSONDecoder().decode(File.self, from: output(trace, "perfetto", ["--scheme", "v4.13", "--evidence", "no-probes", "--to", "13.8"])).otherData
        #expect(replayed == ["trace": trace, "kernel": "4.12.4-lab", "scheme": "v4.13", "evidence": "no-probes", "clock": "mono"])
        let recorded = try JSONDecoder().decode(File.self, from: output(trace, "perfetto", ["--kernel", "4.11.2", "--to", "13.8"])).otherData
        #expect(recorded["scheme"] == .some(nil))
        #expect(recorded["kernel"] == "4.11.2")
    }

    private struct Record: Decodable {
        struct Fields: Decodable {
            var reason: Int
            var pages: Int
        }

        var time_ns: UInt64
        var cpu: Int
        var fields: Fields
    }

    /// Those that lazytlb events shows but CR3 loads, which the slices show; beside a replay there are none.
    @Test(arguments: [("fixtures/v4.12-threads-4cpu-truth-lost.dat", []), ("fixtures/debian6.18-threads-4cpu-truth.dat", ["--cpu", "2", "--from", "9.5", "--to", "10"])])
    func flushesAreTheRecordedOnes(_ trace: String, _ options: [String]) throws {
        let names = [1: "TLB_REMOTE_SHOOTDOWN", 2: "TLB_LOCAL_SHOOTDOWN", 3: "TLB_LOCAL_MM_SHOOTDOWN", 4: "TLB_REMOTE_SEND_IPI", 5: "TLB_REMOTE_WRONG_CPU"]
        let outcome = try lazytlb(["events", "--event", "tlb_flush", "--format", "json", trace])
        let lines = String(decoding: outcome.output, as: UTF8.self).split(separator: "\n").filter { $0.contains(#""event":"tlb_flush""#) }
        let records = try lines.map { try JSONDecoder().decode(Record.self, from: Data($0.utf8)) }
        let shown = records.filter { $0.fields.reason != 0 && (options.isEmpty || $0.cpu == 2 && (9_500_000_000...10_000_000_000).contains($0.time_ns)) }
        let wanted = shown.map { "\($0.time_ns) \($0.cpu) \(names[$0.fields.reason]!) \($0.fields.pages)" }
        #expect(wanted.count > 100)
        let found = try moments(trace, options, on: "tlb_flush").map { time, cpu, event in "\(time) \(cpu) \(event.name ?? "") \(event.args?["pages"]?.text ?? "")" }
        #expect(found.sorted() == wanted.sorted())
        #expect(try !JSONDecoder().decode(File.self, from: output(trace, "perfetto", ["--scheme", "v4.13"] + options)).traceEvents.contains { $0.ph == "i" })
    }
}

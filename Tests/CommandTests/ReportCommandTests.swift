import Foundation
import FoundationXML
import Report
import TestSupport
import Testing

/// `lazytlb report` on its way through arguments, several files and errors.
@Suite struct ReportCommandTests {
    private let good = "fixtures/v4.12-threads-2cpu-truth-c3idle.dat"

    @Test func anErrorInOneTraceDoesNotLoseTheOthersReports() throws {
        let outcome = try lazytlb(["report", "--format", "json", "README.md", good, "none.dat"])
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("lazytlb: README.md: "))
        #expect(outcome.errors.contains("lazytlb: none.dat: "))
        // An array, as always for several arguments.
        #expect(outcome.output.first == UInt8(ascii: "["))
        #expect(try readReports(json: outcome.output).map(\.trace.path) == [good])
    }

    @Test(arguments: ["fixtures/v4.12-threads-4cpu-plain.dat", "fixtures/v4.12-threads-4cpu-truth-lost.dat", "fixtures/v4.12-reclaim-4cpu-truth.dat"])
    func theReportDoesNotDependOnTheNumberOfThreads(_ path: String) throws {
        for evidence in ["all", "switches-only"] {
            let arguments = ["report", path, "--divergences", "all", "--format", "json", "--evidence", evidence]
            let one = try lazytlb(arguments + ["--jobs", "1"])
            #expect(one.status == 0)
            for jobs in ["2", "3", "8"] {
                // Not the data itself: a failure would print it.
                let same = try lazytlb(arguments + ["--jobs", jobs]).output == one.output
                #expect(same, "\(jobs) threads, \(evidence)")
            }
        }
    }

    @Test(arguments: [[], ["--jobs", "2"]]) func oneProcessorIsEnough(_ options: [String]) throws {
        // Any that the tests may run on: a container may not have the first.
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let processor = try #require(status.firstMatch(of: #/Cpus_allowed_list:\t(\d+)/#)).1
        let one = try Program.run("/usr/bin/taskset", with: ["-c", String(processor), Program.lazytlb, "report", good] + options, in: packageFolder)
        let all = try lazytlb(["report", good])
        #expect(one.status == 0)
        let same = one.output == all.output
        #expect(same)
    }

    /// Where there is nothing to parse, the parser is not asked.
    @Test(arguments: [["fixtures/v4.12-threads-2cpu-truth-c3idle.dat"], ["none.dat"], ["README.md", "fixtures/v4.13-threads-4cpu-truth.dat"], [""], ["report"]])
    func namesOfTracesAloneMeanWhatTheParserMakesOfThem(_ traces: [String]) throws {
        let plain = try lazytlb(["report"] + traces)
        for parsed in [["report", "--"] + traces, ["report"] + traces + ["--format", "text"]] {
            let outcome = try lazytlb(parsed)
            #expect(plain.status == outcome.status)
            #expect(plain.errors == outcome.errors)
            let same = plain.output == outcome.output
            #expect(same)
        }
    }

    @Test func theSizesOfFlushesAreThoseOfTheRecords() throws {
        let trace = "fixtures/v4.13-threads-4cpu-truth.dat"
        let records = try lazytlb(["events", trace, "--event", "tlb_flush"]).text.matches(of: #/reason=(\d+) pages=(-?\d+)/#).map { (reason: Int($0.1)!, pages: Int($0.2)!) }
        let document = try #require(try readReports(json: lazytlb(["report", trace, "--format", "json"]).output).first)
        let sizes = try #require(document.flushSizes)
        #expect(sizes.count > 5)
        for size in sizes {
            func count(_ reasons: Set<Int>) -> Int {
                let pages = size.fromPages.map { $0...(size.toPages ?? .max) } ?? -1...(-1)
                return records.count { reasons.contains($0.reason) && pages ~= $0.pages }
            }
            let (sends, local) = (count([4]), count([2, 3]))
            #expect((sends, local) == (size.sends, size.local), "\(size)")
        }
        #expect(sizes.reduce(0) { $0 + $1.sends } == document.recorded.ipiSends)
    }

    /// Both go to the trace's last record, here a marker behind all that the schemes take notice of.
    @Test func staleTimeIsThatOfTheTimeline() throws {
        try withText(adding: "              sh-215     (    215) [000] .....     6.500000: tracing_mark_write: the end\n") { path in
            let report = try #require(readReports(json: lazytlb(["report", "--format", "json", path]).output).first)
            let rows = String(decoding: try lazytlb(["timeline", "--scheme", "v4.12", "--format", "csv", path]).output, as: UTF8.self).split(separator: "\n")
            let names = rows[0].split(separator: ",").map(String.init)
            func column(_ name: String) throws -> Int { try #require(names.firstIndex(of: name)) }
            let (start, end, loaded, active) = (try column("start_ns"), try column("end_ns"), try column("loaded_mm"), try column("active_mm"))
            var sum: UInt64 = 0
            for row in rows.dropFirst() {
                let fields = row.split(separator: ",", omittingEmptySubsequences: false)
                guard !fields[active].isEmpty, fields[active] != fields[loaded] else { continue }
                sum += try #require(UInt64(fields[end])) - (try #require(UInt64(fields[start])))
            }
            #expect(report.comparisons[0].staleActiveMMNS == sum)
            // From the last switch of CPU 0 on.
            #expect(sum > 333_216_000)
        }
    }

    /// What a scheme has of the recorded sends and what it cannot have, since nothing tells their mm, are together what was recorded, but for a few that are missed otherwise.
    @Test func sendsOfUnknownMMsAreThoseThatTheSchemesLack() throws {
        for (name, limit) in [("v4.13-reclaim-4cpu-plain", 2), ("v4.12-threads-4cpu-plain", 0)] {
            let outcome = try lazytlb(["report", "--evidence", "switches-only", "--format", "json", "fixtures/\(name).dat"])
            let report = try #require(readReports(json: outcome.output).first)
            let (own, unknown) = (try #require(report.schemes[report.recorded.scheme ?? ""]), try #require(report.evidence.flushes.unknownSends))
            #expect(unknown > 0 && unknown <= report.evidence.flushes.unknown)
            #expect(abs(own.ipiSends + unknown - report.recorded.ipiSends) <= limit, "\(name): \(own.ipiSends) and \(unknown) of \(report.recorded.ipiSends)")
        }
    }

    @Test func thereIsNoSuchNumberOfThreads() throws {
        for jobs in ["0", "-1", "x", "1000"] { #expect(try lazytlb(["report", good, "--jobs", jobs]).status == 2) }
    }

    @Test func nothingIsWrittenWhereNoTraceIsReadable() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("lazytlb-\(UUID().uuidString)").path
        #expect(try lazytlb(["report", "README.md", "-o", file]).status == 2)
        #expect(!FileManager.default.fileExists(atPath: file))
    }

    @Test func aReportGoesToTheFileThatIsNamed() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("lazytlb-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        let outcome = try lazytlb(["report", good, "-o", file])
        #expect(outcome.status == 0)
        #expect(outcome.output.isEmpty)
        #expect(try String(contentsOfFile: file, encoding: .utf8).hasPrefix("lazytlb "))
    }

    @Test(arguments: ["4.8", "v3.0", "linux", ""])
    func anUnknownKernelIsRefusedWithThoseThatAreKnown(_ name: String) throws {
        let outcome = try lazytlb(["report", "--kernel", name, good])
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains("v4.12, v4.13-parent, v4.13"))
    }

    @Test(arguments: [("4.12.4", "v4.12"), ("4.13", "v4.13"), ("v4.13-parent", "v4.13-parent")])
    func theUserMayNameTheKernel(_ name: String, _ scheme: String) throws {
        let outcome = try lazytlb(["report", "--format", "json", "--kernel", name, good])
        #expect(try readReports(json: outcome.output).first?.recorded.scheme == scheme)
    }

    @Test func aKernelThatRunsNoneOfTheSchemesHasNoConformance() throws {
        let outcome = try lazytlb(["report", "--format", "json", "--kernel", "6.1.0", good])
        let document = try #require(try readReports(json: outcome.output).first)
        #expect(document.conformance == nil)
        #expect(document.trace.kernel == "6.1.0")
    }

    @Test(arguments: [["report"], ["report", "--divergences", "some", "x"], ["report", "--format", "pdf", "README.md"], ["no-such-command"]])
    func aBadCommandLineHasTheStatusOfBadInput(_ arguments: [String]) throws {
        let outcome = try lazytlb(arguments)
        #expect(outcome.status == 2)
        #expect(outcome.errors.hasPrefix("lazytlb: "))
    }

    @Test func divergencesAreListedInTimeOrder() throws {
        let outcome = try lazytlb(["report", "--format", "json", "--divergences", "5", good])
        let divergences = try #require(try readReports(json: outcome.output).first?.divergences)
        #expect(divergences.count == 10)
        #expect(divergences.map(\.timeNS) == divergences.map(\.timeNS).sorted())
    }

    /// A page with a report of each, and its picture; whatever refers to something in it finds one thing.
    @Test func aPageHasAPictureOfEachTrace() throws {
        let other = "fixtures/v4.13-reclaim-4cpu-plain.dat"
        let outcome = try lazytlb(["report", "--format", "html", "--divergences", "3", good, other])
        try #require(outcome.status == 0, "\(outcome.errors)")
        let page = String(decoding: outcome.output, as: UTF8.self)
        let parser = XMLParser(data: outcome.output)
        let elements = Elements()
        parser.delegate = elements
        try #require(parser.parse(), "\(String(describing: parser.parserError))")
        #expect(elements.counts["article"] == 2)
        #expect(elements.counts["svg"] == 2)
        #expect(Set(elements.identifiers).count == elements.identifiers.count)
        for reference in page.matches(of: /url\(#([^)]*)\)/).map(\.1) { #expect(elements.identifiers.contains(String(reference)), "\(reference)") }
        for trace in [good, other] {
            #expect(page.contains("Loaded mm by CPU: \(trace)</text>"))
            // Each picture is the one that timeline draws.
            let picture = String(decoding: try lazytlb(["timeline", "--scheme", "v4.12", "--format", "svg", trace]).output, as: UTF8.self)
            let bars = picture.split(separator: "\n").filter { $0.hasPrefix("<path class=") && $0.contains("<title>") }
            #expect(bars.count > 10)
            #expect(bars.allSatisfy { page.contains($0) })
        }
    }

    private final class Elements: NSObject, XMLParserDelegate {
        var counts: [String: Int] = [:]
        var identifiers: [String] = []

        func parser(_ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?, attributes: [String: String] = [:]) {
            counts[name, default: 0] += 1
            if let identifier = attributes["id"] { identifiers.append(identifier) }
        }
    }
}

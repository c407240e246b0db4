import Foundation
import Report
import Testing

@testable import Checks

/// Baseline files: what is written is read, and what is wrong is said with its place.
@Suite struct BaselineTests {
    @Test func whatIsWrittenIsReadBack() throws {
        let hostile = report("a \"b\"\\\n\u{1}é.dat") { document in
            document.workload!.tasks[0].name = "x: {y}\t#\u{7F}"
            document.schemes["v4.12"]!.warnings = ["leave-mm-while-ok": 3]
            document.comparisons[0].staleActiveMMNS = 9_007_199_254_740
            document.recorded.scheme = nil
            document.interrupters[0].process = "a.b\"c"
            document.interruptersOmitted = 4
        }
        var written = baseline([report(), hostile])
        let read = try Baseline(text: written.json(), path: "x")
        // Shares are written with four digits.
        for index in written.recordings.indices {
            for task in written.recordings[index].tasks.indices {
                #expect(abs(read.recordings[index].tasks[task].share - written.recordings[index].tasks[task].share) < 0.0001)
            }
            written.recordings[index].tasks = read.recordings[index].tasks
        }
        // A process that only one recording lists is zero in one that lists all.
        let names = Set(written.recordings.flatMap(\.values.keys))
        for index in written.recordings.indices {
            for name in names {
                let metric = try #require(MetricCatalogue.metric(named: name))
                #expect(read.recordings[index].value(metric) == written.recordings[index].value(metric), "\(name)")
            }
            written.recordings[index].values = read.recordings[index].values
        }
        #expect(read == written)
    }

    @Test func aMetricIsOneLine() {
        let lines = baseline().json().split(separator: "\n")
        #expect(lines.filter { $0.contains("\"kernel.ipi_targets\": {") }.count == 1)
        #expect(lines.contains { $0.contains("\"recorded.ipi_sends\"") && $0.contains("\"values\": [1000, 1000, 1000]") && $0.contains("\"per_1000_switches\": {\"mean\": 100") })
    }

    /// Replaces the first `old` in a written baseline; gives the line it is in and the error.
    private func error(_ old: String, _ new: String) throws -> (line: Int, error: DocumentError) {
        let text = baseline().json()
        let place = try #require(text.range(of: old))
        let line = text[..<place.lowerBound].filter { $0 == "\n" }.count + 1
        let broken = text.replacingCharacters(in: place, with: new)
        let error = #expect(throws: DocumentError.self) { try Baseline(text: broken, path: "b.json") }
        return (line, try #require(error))
    }

    @Test func anUnknownMetricIsNamedWithItsLineAndTheNearest() throws {
        let (line, error) = try error("\"kernel.ipi_targets\"", "\"kernel.ipi_target\"")
        #expect(error.line == line)
        #expect(error.key == "metrics.kernel.ipi_target")
        #expect(error.cause.contains("did you mean kernel.ipi_targets"))
    }

    @Test func aWrongTypeIsNamedWithItsLineAndKey() throws {
        let (line, error) = try error("\"cpus\": 4", "\"cpus\": \"four\"")
        #expect(error.line == line)
        #expect(error.key == "recordings[0].cpus")
        #expect(error.cause == "expected a whole number, found the text \"four\"")
        #expect(error.description.hasPrefix("b.json:\(line):"))
    }

    @Test(arguments: [("\"clock\": \"local\"", "clock", "4.5", "the number 4.5"), ("\"evidence\": \"life-cycle\"", "evidence", "true", "true"), ("\"clock\": \"local\"", "clock", "null", "null")])
    func whatIsNoTextIsNoName(_ old: String, _ key: String, _ value: String, _ found: String) throws {
        let (line, error) = try error(old, "\"\(key)\": \(value)")
        #expect(error.line == line)
        #expect(error.key == "recordings[0].\(key)")
        #expect(error.cause == "expected a text, found \(found)")
    }

    @Test func aValueThatIsNoNumberIsNamedWithItsPlaceInTheList() throws {
        let (line, error) = try error("\"values\": [0, 0, 0]", "\"values\": [0, true, 0]")
        #expect(error.line == line)
        #expect(error.key.hasSuffix(".values[1]"))
    }

    @Test func aShareIsNoMoreThanTheWhole() throws {
        let (line, error) = try error("\"share\": 0.9", "\"share\": 90")
        #expect(error.line == line)
        #expect(error.key == "recordings[0].tasks[0].share")
        #expect(error.cause == "expected a share, from 0 to 1")
    }

    @Test(arguments: ["1.5", "1e300"]) func noMetricThatIsAShareIsMoreThanTheWholeEither(_ value: String) throws {
        let whole = "\"evidence.unknown_switches\": {\"unit\": \"share\", \"values\": ["
        let (line, error) = try error(whole + "0", whole + value)
        #expect(error.line == line)
        #expect(error.key == "metrics.evidence.unknown_switches.values[0]")
        #expect(error.cause == "expected a share, from 0 to 1")
    }

    @Test func anotherSchemaVersionIsRefused() throws {
        let (line, error) = try error("\"schema_version\": 1", "\"schema_version\": 2")
        #expect(error.line == line)
        #expect(error.key == "schema_version")
        #expect(error.cause.contains("schema version 2; this tool reads version 1"))
    }

    @Test func anUnknownKeyIsNamedWithTheNearest() throws {
        let (_, error) = try error("\"lost_gaps\"", "\"lost_gap\"")
        #expect(error.key == "recordings[0].lost_gap")
        #expect(error.cause.contains("lost_gaps"))
    }

    @Test func valuesMustBeAsManyAsRecordings() throws {
        let (_, error) = try error("\"values\": [0, 0, 0]", "\"values\": [0, 0]")
        #expect(error.cause == "expected a value for each of the 3 recordings, found 2")
    }

    @Test func aBrokenTextIsNamedWithItsLine() throws {
        let (line, error) = try error("\"recordings\": [", "\"recordings\": ]")
        #expect(error.line == line)
        #expect(error.cause.hasPrefix("neither YAML nor JSON: "))
    }

    @Test(arguments: ["", "{}", "[]", "null", "hello", "{\"kind\": \"lazytlb-check\", \"schema_version\": 1}"])
    func whatIsNoBaselineIsRefused(_ text: String) {
        #expect(throws: DocumentError.self) { try Baseline(text: text, path: "b.json") }
    }
}

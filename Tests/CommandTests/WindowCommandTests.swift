import Foundation
import TestSupport
import Testing

/// The options for a part of a trace, of all commands that make reports.
@Suite struct WindowCommandTests {
    private static let trace = "fixtures/v4.12-threads-2cpu-truth-c3idle.dat"
    private static let range = "it has 13.299696580 to 15.412258500\n"

    @Test(arguments: [
        (["--from", "99"], "--from 99 is behind all of the trace: \(range)"), (["--to", "13"], "--to 13 is before all of the trace: \(range)"),
        (["--from", "16", "--to", "15.5"], "--from 16 is not before --to 15.5\n"), (["--from-marker", "begin of"], "--from-marker: no line of trace_marker has \"begin of\" in it\n"),
        (["--from-marker", "stop end", "--to-marker", "start end"], "--to-marker: no line of trace_marker behind the beginning has \"start end\" in it\n"),
        (["--from-marker", "stop end", "--to", "15"], "--from-marker: no line of trace_marker before --to 15 has \"stop end\" in it\n"),
    ])
    func whatTheTraceDoesNotHaveIsRefused(_ options: [String], _ cause: String) throws {
        let outcome = try lazytlb(["report", Self.trace] + options)
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors == "lazytlb: \(Self.trace): \(cause)")
    }

    @Test(arguments: [
        (["--from", "16", "--from-marker", "x"], "--from and --from-marker both say where to begin"), (["--to", "16", "--to-marker", "x"], "--to and --to-marker both say where to end"),
        (["--from-marker", ""], "--from-marker: "),
    ])
    func whatContradictsItselfIsRefused(_ options: [String], _ cause: String) throws {
        let outcome = try lazytlb(["report", Self.trace] + options)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains(cause), "\(outcome.errors)")
    }

    @Test func checksAreOfThePart() throws {
        let outcome = try lazytlb(["check", "--conform", Self.trace, "--from-marker", "lab start end", "--to-marker", "lab stop begin"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let all = try lazytlb(["check", "--conform", Self.trace])
        func records(_ text: String) throws -> Int {
            let match = try #require(text.firstMatch(of: #/of ([0-9,]+) tlb_flush records/#))
            return try #require(Int(match.1.filter(\.isNumber)))
        }
        let counts = (part: try records(outcome.text), all: try records(all.text))
        #expect(0 < counts.part && counts.part < counts.all)
    }

    /// Such a report was made without it.
    @Test func aReportHasNoParts() throws {
        try withTemporaryPath { path in
            #expect(try lazytlb(["report", Self.trace, "--format", "json", "-o", path]).status == 0)
            let outcome = try lazytlb(["check", "--conform", path, "--from", "16", "--to-marker", "x"])
            #expect(outcome.status == 2)
            #expect(outcome.errors.contains("--from and --to-marker are for traces, and this was made of one already"), "\(outcome.errors)")
        }
    }

    /// The picture on the page is of the same part.
    @Test func thePictureIsOfThePart() throws {
        let outcome = try lazytlb(["report", Self.trace, "--format", "html", "--from", "14", "--to", "14.5"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let picture = try lazytlb(["timeline", Self.trace, "--format", "svg", "--scheme", "v4.12", "--from", "14", "--to", "14.5"])
        func labels(_ text: String) -> [Substring] { text.matches(of: #/<text[^>]*>([^<]*)<\/text>/#).map(\.1) }
        #expect(!labels(picture.text).isEmpty && labels(outcome.text) == labels(picture.text))
    }
}

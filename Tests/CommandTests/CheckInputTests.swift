import Foundation
import TestSupport
import Testing

/// Files that `lazytlb baseline`, `check` and `diff` must not take for what they are not: reports and baselines that were edited, put together, or given twice.
@Suite struct CheckInputTests {
    private static let trace = "fixtures/v4.12-threads-2cpu-truth-c3idle.dat"
    private static let larger = "fixtures/v4.13-threads-4cpu-truth.dat"

    private func inFolder<R>(_ body: (String) throws -> R) throws -> R {
        try withTemporaryPath { folder in
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            return try body(folder)
        }
    }

    private func write(_ text: String, _ path: String) throws { try text.write(toFile: path, atomically: true, encoding: .utf8) }

    /// A report with what `pattern` matches replaced.
    private func report(_ pattern: String, _ replacement: String) throws -> String {
        let text = try lazytlb(["report", "--format", "json", Self.trace]).text
        let range = try #require(text.range(of: pattern, options: .regularExpression), "\(pattern)")
        return text.replacingCharacters(in: range, with: replacement)
    }

    @Test(arguments: [
        ("\"ipi_targets\" : [0-9]+", "\"ipi_targets\" : -1", "expected a whole number from 0 to 9223372036854775807, found -1 (at schemes.v4.12.ipi_targets)"),
        ("\"events\" : [0-9]+", "\"events\" : 1.5", "expected a whole number from 0 to 9223372036854775807, found 1.5 (at trace.events)"),
        ("\"cpus\" : 2", "\"cpus\" : 0", "trace.cpus: events, and no CPU that wrote them"),
        ("\"matched\" : [0-9]+", "\"matched\" : -5", "found -5 (at conformance."),
    ])
    func aReportThatNoTraceGivesIsRefused(_ pattern: String, _ replacement: String, _ cause: String) throws {
        try inFolder { folder in
            let file = "\(folder)/r.json"
            try write(try report(pattern, replacement), file)
            for command in [["check", "--conform", file], ["baseline", file], ["diff", file, Self.trace]] {
                let outcome = try lazytlb(command)
                #expect(outcome.status == 2)
                #expect(outcome.output.isEmpty)
                #expect(outcome.errors.hasPrefix("lazytlb: \(file): not a lazytlb report: "), "\(outcome.errors)")
                #expect(outcome.errors.contains(cause), "\(outcome.errors)")
            }
        }
    }

    /// Each of them is a count; together they are more than there are numbers.
    @Test func sumsOfLargeCountsEndNothing() throws {
        try inFolder { folder in
            let file = "\(folder)/r.json"
            let most = "9223372036854775807"
            for (pattern, replacement) in [
                ("\"warnings\" : \\{[^}]*\\}", "\"warnings\" : {\"a\" : \(most), \"b\" : \(most)}"),
                ("\"divergences\" : \\{[^}]*\\}", "\"divergences\" : {\"a\" : \(most), \"b\" : \(most)}"),
                ("\"extra_ipi_targets\" : [0-9]+", "\"extra_ipi_targets\" : \(most)"),
                ("\"stale_active_mm_ns\" : [0-9]+", "\"stale_active_mm_ns\" : 18446744073709551615"),
                ("\"interrupters\" : \\[", "\"interrupters\" : [{\"process\" : \"wl\", \"pid\" : 1, \"flushes\" : \(most), \"ipi_targets\" : {\"v4.12\" : \(most)}},"),
            ] {
                try write(try report(pattern, replacement), file)
                for command in [["check", "--conform", "--no-extra-ipis", "--no-stale-active-mm", file], ["baseline", file], ["diff", file, Self.trace]] {
                    let outcome = try lazytlb(command)
                    #expect([0, 1, 3].contains(outcome.status), "\(pattern): \(outcome.status)")
                    #expect(!outcome.output.isEmpty)
                }
            }
        }
    }

    // MARK: Baselines

    @Test func aBaselineThatKnowsNothingMakesNothingFine() throws {
        try inFolder { folder in
            let baseline = try lazytlb(["baseline", Self.trace]).text
            let metrics = try #require(baseline.range(of: "\"metrics\": {"))
            try write(baseline[..<metrics.upperBound] + "}}\n", "\(folder)/b.json")
            let outcome = try lazytlb(["check", Self.trace, "--baseline", "\(folder)/b.json"])
            #expect(outcome.status == 3)
            #expect(outcome.text.contains("  inconclusive  recorded.ipi_sends: the baseline does not have it: write it anew with lazytlb baseline\n"))
        }
    }

    /// As a file, and as what a pipe brings; but not both for one standard input.
    @Test func aBaselineAndABudgetMayComeFromStandardInput() throws {
        try inFolder { folder in
            let (baseline, budget) = ("\(folder)/b.json", "\(folder)/b.yml")
            #expect(try lazytlb(["baseline", Self.trace, "-o", baseline]).status == 0)
            try write("schema_version: 1\nmetrics:\n  recorded.ipi_sends: {max: 100000}\n", budget)
            for arguments in [["--baseline", baseline], ["--budget", budget], ["--baseline", baseline, "--budget", budget]] {
                let read = try lazytlb(["check", Self.trace] + arguments)
                let piped = try Program.run("/bin/sh", with: ["-c", "file=$1; shift; \"$0\" check \"$@\" <\"$file\"", Program.lazytlb, arguments[1], Self.trace, arguments[0], "-"] + arguments.dropFirst(2), in: packageFolder)
                #expect(read.status == 0 && piped.status == 0, "\(piped.errors)")
                #expect(piped.text == read.text.replacingOccurrences(of: "\(arguments[1])", with: "-"))
            }
            let twice = try lazytlb(["check", Self.trace, "--baseline", "-", "--budget", "-"])
            #expect(twice.status == 2)
            #expect(twice.errors.contains("standard input (-) can be read once only"))
        }
    }

    @Test func aBaselineOfSeveralMachinesIsForNone() throws {
        try inFolder { folder in
            let file = "\(folder)/b.json"
            #expect(try lazytlb(["baseline", Self.trace, Self.larger, "-o", file]).status == 2)
            #expect(try lazytlb(["baseline", Self.trace, Self.larger, "-o", file, "--force-compare"]).status == 0)
            let refused = try lazytlb(["check", Self.larger, "--baseline", file])
            #expect(refused.status == 3)
            #expect(refused.text.contains("CPUs: 4 here, 2 and 4 in the baseline\n"))
            let forced = try lazytlb(["check", Self.larger, "--baseline", file, "--force-compare"])
            #expect(forced.text.contains("  compared by force (--force-compare), though not comparable with the baseline.\n"))
        }
    }

    @Test func whereEventsWereLostThereIsNoBaseline() throws {
        try inFolder { folder in
            let (trace, file) = ("fixtures/v4.12-threads-4cpu-truth-lost.dat", "\(folder)/b.json")
            let refused = try lazytlb(["baseline", trace, "-o", file])
            #expect(refused.status == 2)
            #expect(refused.errors == "lazytlb: \(trace): events were lost in 4 places: counts are lower bounds\nlazytlb: no baseline was written; --keep-going writes it nevertheless\n")
            #expect(!FileManager.default.fileExists(atPath: file))
            let written = try lazytlb(["baseline", trace, "--keep-going", "-o", file])
            #expect(written.status == 2)
            #expect(written.errors == "lazytlb: \(trace): events were lost in 4 places: counts are lower bounds\n")
            #expect(try lazytlb(["check", Self.larger, "--baseline", file, "--force-compare"]).status == 3)
        }
    }

    // MARK: Recordings that are not independent

    @Test func aCopyOfARecordingIsTheSameRecording() throws {
        try inFolder { folder in
            let copy = "\(folder)/copy.dat"
            try FileManager.default.copyItem(atPath: packageFolder.appendingPathComponent(Self.trace).path, toPath: copy)
            for command in [["baseline"], ["check", "--conform"], ["baseline", "--force-compare"]] {
                let outcome = try lazytlb(command + [Self.trace, copy])
                #expect(outcome.status == 2)
                #expect(outcome.output.isEmpty)
                #expect(outcome.errors == "lazytlb: \(copy): the same recording as \(Self.trace): several recordings must be independent of each other\n")
            }
            let twice = "\(folder)/r.json"
            #expect(try lazytlb(["report", "--format", "json", Self.trace, Self.trace, "-o", twice]).status == 0)
            #expect(try lazytlb(["baseline", twice]).status == 2)
        }
    }

    @Test func aRecordingOfTheBaselineIsToldBesideIt() throws {
        try inFolder { folder in
            let file = "\(folder)/b.json"
            #expect(try lazytlb(["baseline", Self.trace, "-o", file]).status == 0)
            let outcome = try lazytlb(["check", Self.trace, "--baseline", file])
            #expect(outcome.status == 0)
            #expect(outcome.text.contains("\(Self.trace) is one of the baseline's recordings: that nothing differs says nothing\n"), "\(outcome.text)")
        }
    }

    // MARK: Options

    @Test func anOptionThatPlaysNoPartIsSaidToPlayNone() throws {
        try inFolder { folder in
            let (file, budget) = ("\(folder)/b.json", "\(folder)/b.yml")
            #expect(try lazytlb(["baseline", Self.trace, "-o", file]).status == 0)
            try write("schema_version: 1\nmetrics: {recorded.ipi_sends: {max_increase: 10 %}}\n", budget)
            func check(_ options: String...) throws -> String { try lazytlb(["check", Self.trace, "--baseline", file] + options).text }
            #expect(try check("--budget", budget, "--tolerance", "5").contains("--tolerance plays no part: the budget says what is allowed.\n"))
            #expect(try check("--confidence", "99").contains("--confidence plays no part: it is for more than two recordings.\n"))
            #expect(try !check("--tolerance", "5").contains("plays no part"))
        }
    }

    @Test func anOptionsNumberMayBeBelowZeroAndIsRefusedAsSuch() throws {
        for (option, message) in [("--confidence", "--confidence is a number above 50 and below 100"), ("--tolerance", "--tolerance is a number from 0 on")] {
            let outcome = try lazytlb(["check", Self.trace, "--baseline", "b.json", option, "-1"])
            #expect(outcome.status == 2)
            #expect(outcome.errors.contains(message), "\(outcome.errors)")
        }
    }
}

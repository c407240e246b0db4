import Testing
import TraceData

@testable import Report

@Suite struct TextTests {
    @Test func theSampleReadsAsItsGolden() throws {
        try expectGolden(renderText(sampleDocument(), style: TextStyle(), divergenceLimit: 10), "sample.txt")
    }

    @Test func noLineIsWiderThanTheStyle() {
        var document = sampleDocument()
        for generation in 14..<24 { document.schemes["v4.\(generation)"] = document.schemes["v4.13"] }
        document.trace.cpus = 32
        document.ipiMatrix = .init(
            scheme: "v4.12", cpus: 32, pairs: (0..<32).map { .init(from: $0, to: ($0 + 1) % 32, count: 123_456) })
        document.divergences![0].comm = String(repeating: "語", count: 40)
        for line in renderText(document, style: TextStyle(), divergenceLimit: 10).split(separator: "\n") {
            #expect(displayWidth(String(line)) <= 100, "\(line)")
        }
    }

    @Test func colourAddsNothingButColour() {
        let plain = renderText(sampleDocument(), style: TextStyle(), divergenceLimit: 10)
        let colored = renderText(sampleDocument(), style: TextStyle(color: true), divergenceLimit: 10)
        #expect(colored != plain)
        #expect(colored.replacing(#/\u{1B}\[[0-9;]*m/#, with: "") == plain)
    }

    @Test func noControlByteOfATraceReachesTheTerminal() {
        let evil = "\u{1B}[2J\u{9B}31m\u{7}a\nb\u{202E}c"
        var document = sampleDocument()
        document.tool.version = evil
        document.trace.path = evil
        document.trace.kernel = evil
        document.trace.machine = evil
        document.trace.clock = evil
        document.trace.buffer = evil
        document.trace.compression = evil
        document.evidence.kind = evil
        document.evidence.notes = [evil]
        document.schemes[evil] = document.schemes["v4.12"]
        document.schemes["v4.12"]!.warnings[evil] = 1
        document.comparisons[0].old = evil
        document.comparisons[0].divergences[evil] = 1
        document.divergences![0].kind = evil
        document.divergences![0].comm = evil
        document.divergences![0].mm = evil
        document.divergences![0].records[0].event = evil
        document.interrupters[0].process = evil
        document.ipiMatrix = .init(scheme: evil, cpus: 2, pairs: [.init(from: 0, to: 1, count: 1)])
        document.conformance!.scheme = evil
        document.conformance!.byReason[evil] = .init(records: 1)
        document.problems[0].cause = evil
        let text = renderText(document, style: TextStyle(), divergenceLimit: 10)
        for scalar in text.unicodeScalars where scalar != "\n" {
            #expect(scalar.properties.generalCategory != .control && scalar.properties.generalCategory != .format)
        }
        #expect(!text.contains("a\nb"))
    }

    @Test func anEmptyReportIsStillAReport() {
        let empty = ReportDocument(tool: .init(version: "1"), trace: .init(path: "x", cpus: 0, events: 0))
        let text = renderText(empty, style: TextStyle(), divergenceLimit: 0)
        #expect(text.contains("No scheme was replayed."))
        #expect(!text.contains("Divergences"))
    }

    @Test func schemesThatAgreeSaySo() {
        var document = sampleDocument()
        document.comparisons = [.init(old: "v4.12", new: "v4.13")]
        #expect(renderText(document, style: TextStyle(), divergenceLimit: 0).contains("v4.12 and v4.13 do the same on this trace"))
    }

    /// Two schemes that had nothing to do, as nothing was known, have not done the same.
    @Test func ofWhatIsHardlyKnownNothingIsClaimed() {
        func verdict(_ change: (inout ReportDocument) -> Void) -> String {
            var document = sampleDocument()
            document.comparisons = [.init(old: "v4.12", new: "v4.13")]
            change(&document)
            return String(renderText(document, style: TextStyle(), divergenceLimit: 0).split(separator: "\n")[1].drop { $0 == " " })
        }
        func flushes(_ attributed: Int, _ unknown: Int) -> ReportDocument.Evidence.Flushes {
            var flushes = ReportDocument.Evidence.Flushes()
            (flushes.total, flushes.attributed, flushes.unknown) = (attributed + unknown, attributed, unknown)
            return flushes
        }
        let unknown = "Whether v4.12 and v4.13 differ on this trace is not known: hardly anything of it is."
        #expect(verdict { $0.evidence.flushes = flushes(0, 9_000) } == unknown)
        #expect(verdict { $0.evidence.flushes = flushes(80, 8_920) } == unknown)
        #expect(verdict { $0.evidence.unknownTimeNS = 4 * $0.trace.durationNS } == unknown)
        let inPart = "v4.12 and v4.13 differ in nothing of what is known of this trace."
        #expect(verdict { $0.evidence.flushes = flushes(100, 8_900) } == inPart)
        #expect(verdict { $0.evidence.flushes = flushes(7_900, 1_000) } == inPart)
        #expect(verdict { $0.schemes["v4.12"]!.unknownSwitches = $0.evidence.switches.total / 5 } == inPart)
        #expect(verdict { $0.schemes["v4.12"]!.cpuTime!.unknownNS = 2 * $0.trace.durationNS } == inPart)
        #expect(verdict { $0.conformance!.matched = $0.conformance!.records / 2 } == inPart)
        #expect(verdict { $0.evidence.flushes = flushes(7_900, 1_000); $0.comparisons[0].divergences["warning"] = 2 }
            == "v4.12 and v4.13 differ 2 times in what is known of this trace, but interrupt the same CPUs.")
        #expect(verdict { $0.evidence.flushes = flushes(8_900, 100) }.hasPrefix("v4.12 and v4.13 do the same"))
        #expect(verdict { $0.evidence.flushes = flushes(0, 0) }.hasPrefix("v4.12 and v4.13 do the same"))
        // What does differ is said all the same, but not that the rest does not.
        #expect(verdict { $0.evidence.flushes = flushes(0, 9_000); $0.comparisons[0].divergences["warning"] = 2 }
            == "v4.12 and v4.13 differ 2 times on this trace, of which hardly anything is known.")
    }

    /// Another scheme may have loaded what nobody knows where the recorded kernel shows what it has.
    @Test func whatIsUnknownIsToldWithThePlaceWhereItStands() {
        func caveat(_ change: (inout ReportDocument) -> Void) -> String {
            var document = sampleDocument()
            change(&document)
            return renderText(document, style: TextStyle(width: 400), divergenceLimit: 0).split(separator: "\n").first { $0.contains("not counted") }?.description ?? ""
        }
        #expect(caveat { _ in }.contains("  Unknown, and not counted: "))
        #expect(caveat { _ in }.hasSuffix("; see Evidence."))
        let more = caveat { $0.schemes["v4.12"]!.cpuTime!.unknownNS = $0.trace.durationNS }
        #expect(more.hasPrefix("  Unknown under one scheme or another, and not counted: "))
        #expect(more.hasSuffix(" and 25.0 % of the CPU time; see the schemes' tables, and Evidence."))
    }

    /// Half of what was recorded, or more, is not predicted: that is another history.
    @Test(arguments: [(0.97, " is not quite the one that was"), (0.4, " is not the one that was"), (0.99, "")]) func aHistoryThatWasNotIsSaidToBeNone(share: Double, doubt: String) {
        var document = sampleDocument()
        document.conformance!.predicted = document.conformance!.records
        document.conformance!.matched = Int(share * Double(document.conformance!.records))
        let text = renderText(document, style: TextStyle(width: 400), divergenceLimit: 0)
        #expect(text.contains("the history that is replayed is not") == !doubt.isEmpty)
        #expect(doubt.isEmpty || text.contains(doubt))
    }

    @Test func theListOfDivergencesIsLimited() {
        let text = renderText(sampleDocument(), style: TextStyle(), divergenceLimit: 1)
        #expect(text.contains("Divergences, the first 1 of 2"))
        #expect(!text.contains("CPUs 0-1,3"))
    }

    @Test func manyCPUsAreShownAsTheirTopPairs() {
        var document = sampleDocument()
        let pairs = (0..<200).map { ReportDocument.IPIMatrix.Pair(from: $0, to: $0 + 1, count: $0 + 1) }
        document.ipiMatrix = .init(scheme: "v4.12", cpus: 256, pairs: pairs)
        let text = renderText(document, style: TextStyle(), divergenceLimit: 0)
        #expect(text.contains("the 16 of 200 pairs with most"))
    }

    @Test func timesOfAClockThatIsNoTimeAreCounts() {
        var document = sampleDocument()
        document.trace.timeUnit = .count
        let text = renderText(document, style: TextStyle(), divergenceLimit: 0)
        #expect(text.contains("7,654,321,000 ticks"))
        // What share of the time it was, nobody knows.
        #expect(!text.contains("CPU time"))
    }
}

@Suite struct UnitTests {
    @Test(arguments: [(0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567"), (Int.min, "-9,223,372,036,854,775,808")])
    func numbersHaveThousandsSeparators(number: Int, text: String) {
        #expect(grouped(number) == text)
    }

    @Test(arguments: [
        (UInt64(0), "0 ns"), (999, "999 ns"), (1_000, "1.00 µs"), (12_345, "12.3 µs"), (999_499, "999 µs"), (999_500, "1.00 ms"),
        (99_960_000, "100 ms"), (1_500_000_000, "1.50 s"), (5_000_000_000_000, "5,000 s"),
    ])
    func durationsHaveThreeDigits(span: UInt64, text: String) {
        #expect(TimeFormat(unit: .ns).duration(span) == text)
    }

    @Test func momentsAreSecondsWithNineDecimals() {
        #expect(TimeFormat(unit: .ns).moment(12_000_000_345) == "12.000000345")
        #expect(TimeFormat(unit: .count).moment(12_000_000_345) == "12000000345")
    }

    @Test(arguments: [
        (0, 0, "–"), (0, 7, "0 %"), (7, 7, "100.0 %"), (1, 3, "33.3 %"), (9_999, 10_000, "> 99.9 %"), (999, 1_000, "99.9 %"),
        (1, 10_000, "< 0.1 %"),
    ])
    func sharesAreNeverRoundedToAllOrNothing(part: Int, whole: Int, text: String) {
        #expect(percent(part, of: whole) == text)
    }

    @Test func namesFromTracesKeepEveryByte() {
        #expect(nameFromTrace(Array("wl/héllo".utf8)) == "wl/héllo")
        #expect(nameFromTrace([0x61, 0xFF, 0x62, 0xE2, 0x82]) == "a\\xFFb\\xE2\\x82")
        #expect(nameFromTrace([0xC0, 0x80, 0xED, 0xA0, 0x80]) == "\\xC0\\x80\\xED\\xA0\\x80")
    }

    @Test func widthsAreThoseOfATerminal() {
        #expect(displayWidth("abc") == 3)
        #expect(displayWidth("語a") == 3)
        #expect(displayWidth("e\u{301}") == 1)
        #expect(truncated("語語語", toColumns: 5) == "語語…")
        #expect(truncated("abc", toColumns: 3) == "abc")
    }

    @Test func schemesAreOrderedByGeneration() {
        #expect(
            schemesInOrder(["v4.13", "v5.9", "v4.20", "v4.13-parent", "v4.9", "v4.14-pcid", "v4.14", "v4.12"])
                == ["v4.9", "v4.12", "v4.13-parent", "v4.13", "v4.14", "v4.14-pcid", "v4.20", "v5.9"])
    }
}

import Testing

@testable import Checks

/// Budgets: bounds that are read as written, and errors that say where.
@Suite struct BudgetTests {
    private func budget(_ metrics: String) throws -> Budget { try Budget(text: "schema_version: 1\nmetrics:\n\(metrics)\n", path: "b.yml") }

    private func error(_ text: String) throws -> DocumentError {
        try #require(#expect(throws: DocumentError.self) { try Budget(text: text, path: "b.yml") })
    }

    @Test func boundsAreReadAsWritten() throws {
        let budget = try Budget(
            text: """
                schema_version: 1
                evidence:
                  max_unknown: 2.5 %
                metrics:
                  kernel.ipi_targets:
                    max: 300
                    max_increase: 10 %
                  schemes.v4.12.ipi_sends: {per: second, min: 1, max: 2e3}
                  kernel.stale_active_mm_ns: {max: 5 %}
                  processes.a b.c.flushes: {per: total, max: 0}
                """, path: "b.yml")
        #expect(budget.evidence.unknown == 0.025)
        #expect(budget.bounds.map(\.metric.name) == ["kernel.ipi_targets", "schemes.v4.12.ipi_sends", "kernel.stale_active_mm_ns", "processes.a b.c.flushes"])
        #expect(budget.bounds[0].maximum == 300)
        #expect(budget.bounds[0].maximumIncrease == 0.1)
        #expect(budget.bounds[0].rate == .perThousandSwitches)
        #expect(budget.bounds[1].rate == .perSecond)
        #expect(budget.bounds[1].minimum == 1)
        #expect(budget.bounds[1].maximum == 2000)
        #expect(budget.bounds[2].rate == .shareOfCPUTime)
        #expect(budget.bounds[2].maximum == 0.05)
        #expect(budget.bounds[3].rate == .total)
    }

    @Test func anUnknownMetricIsNamedWithLineAndTheNearest() throws {
        let error = try error("schema_version: 1\nmetrics:\n  kernel.warnings: {max: 0}\n  recorded.ipi_send: {max: 1}\n")
        #expect(error.line == 4)
        #expect(error.key == "metrics.recorded.ipi_send")
        #expect(error.cause.contains("did you mean recorded.ipi_sends"))
    }

    /// Its value may begin some lines below.
    @Test func anErrorOfANameIsWhereTheNameStands() throws {
        let text = "schema_version: 1\nmetrics:\n  kernel.warnings:\n    max: 0\n  recorded.ipi_send:\n    # few\n    max: 1\n"
        let wrong = try error(text)
        #expect((wrong.line, wrong.column) == (5, 3))
        let empty = try error(text.replacing("ipi_send", with: "ipi_sends").replacing("max: 1", with: "per: second"))
        #expect((empty.line, empty.column) == (5, 3))
        // And what needs a baseline.
        let bounds = try Budget(text: text.replacing("ipi_send", with: "ipi_sends").replacing("max: 1", with: "max_increase: 1 %"), path: "b.yml").bounds
        #expect(bounds.map(\.line) == [3, 5])
    }

    @Test func anUnknownKeyIsNamedWithLineAndTheNearest() throws {
        let error = try error("schema_version: 1\nmetrics:\n  kernel.warnings:\n    maximum: 0\n")
        #expect(error.line == 4)
        #expect(error.key == "metrics.kernel.warnings.maximum")
        #expect(error.cause.contains("max"))
    }

    @Test(arguments: [
        ("  kernel.warnings: {max: many}", "expected a number, found the text \"many\""),
        ("  kernel.warnings: {max_increase: 10}", "expected a percentage, as \"10 %\", found the number 10"),
        ("  kernel.warnings: {per: hour, max: 1}", "unknown rate \"hour\"; expected total, second, 1000 switches or cpu second"),
        ("  kernel.warnings: {per: cpu time, max: 1}", "kernel.warnings has the unit count: per is total, second, 1000 switches or cpu second"),
        ("  kernel.warnings: {}", "no bound: expected min, max, max_increase or max_decrease"),
        ("  kernel.warnings: {min: 5, max: 4}", "min 5 is above max 4"),
        ("  kernel.warnings: [1]", "expected a mapping, found a list"),
        ("  kernel.warnings: {max: .inf}", "expected a number"),
        ("  kernel.warnings: {max: nan}", "expected a finite number, found nan"),
        ("  kernel.warnings: {max: 1e999}", "expected a finite number, found 1e999"),
        ("  kernel.warnings: {max: 1, max: 2}", "a key occurs twice"),
        // What would hold always, or never.
        ("  kernel.warnings: {max: -1}", "expected a number that is not negative"),
        ("  kernel.warnings: {max: 5 %}", "kernel.warnings per 1000 switches is no share: expected a number"),
        ("  kernel.stale_active_mm_ns: {max: 5}", "a share of the CPU time: expected a number from 0 to 1, or a percentage"),
        ("  kernel.stale_active_mm_ns: {max: 5 %, per: total}", "kernel.stale_active_mm_ns per total is no share"),
        ("  conformance.share: {min: 99.5}", "a share: expected a number from 0 to 1, or a percentage"),
        ("  conformance.share: {min: 101 %}", "a share is at most 100 %"),
        ("  zzz: {max: 1}", "unknown metric \"zzz\"; names begin with comparisons., conformance., evidence., kernel., processes., recorded., schemes. or shootdown_latency."),
    ])
    func whatMakesNoSenseIsRefusedWithItsLine(_ metrics: String, _ cause: String) throws {
        let error = try error("schema_version: 1\nmetrics:\n\(metrics)\n")
        #expect(error.cause.hasPrefix(cause), "\(error)")
        #expect(error.line == 3)
    }

    @Test(arguments: [("101 %", "a share is at most 100 %"), ("1.5", "a share: expected a number from 0 to 1, or a percentage"), ("-1", "expected a number that is not negative")])
    func whatMayBeUnknownIsAShare(_ text: String, _ cause: String) throws {
        for key in ["max_unknown", "max_unknown_time"] {
            let error = try error("schema_version: 1\nevidence:\n  \(key): \(text)\nmetrics: {kernel.warnings: {max: 0}}\n")
            #expect(error.cause.hasPrefix(cause), "\(error)")
            #expect(error.key == "evidence.\(key)")
            #expect(error.line == 3)
        }
    }

    @Test func nothingMayBeUnknown() throws {
        let budget = try Budget(text: "schema_version: 1\nevidence: {max_unknown: 0, max_unknown_time: 0.5}\nmetrics: {kernel.warnings: {max: 0}}\n", path: "b.yml")
        #expect(budget.evidence.unknown == 0)
        #expect(budget.evidence.unknownTime == 0.5)
    }

    @Test func aBoundFollowsItsRateWhereverThatStands() throws {
        let budget = try budget("  kernel.stale_active_mm_ns: {max: 5000, per: total}\n  conformance.share: {min: 99.5 %}\n  evidence.unknown_switches: {max: 0.01}")
        #expect(budget.bounds.map(\.maximum) == [5000, nil, 0.01])
        #expect(budget.bounds[1].minimum == 0.995)
    }

    @Test(arguments: ["", "metrics: {kernel.warnings: {max: 0}}", "schema_version: 2\nmetrics: {kernel.warnings: {max: 0}}", "schema_version: 1", "schema_version: 1\nmetrics: {}", "a: [b", "just text"])
    func whatIsNoBudgetIsRefused(_ text: String) { #expect(throws: DocumentError.self) { try Budget(text: text, path: "b.yml") } }

    /// What docs/ci.md shows.
    @Test func processesAreNamedByWhatTheyAreCalled() {
        #expect(MetricCatalogue.metric(named: "processes.thr.ipi_targets.v4.13") != nil)
        #expect(MetricCatalogue.metric(named: "processes.thr.ipi_targets.kernel") != nil)
        #expect(MetricCatalogue.metric(named: "processes.thr.ipi_targets.v9") == nil)
        #expect(MetricCatalogue.metric(named: "processes..flushes") == nil)
    }
}

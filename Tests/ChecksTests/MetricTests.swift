import Foundation
import Report
import Testing

@testable import Checks

/// Metrics are the report's own numbers, by the names of its keys.
@Suite struct MetricTests {
    /// Every number in the parts of a report that metrics are made from, by the path of its keys.
    private func numbers(_ value: Any, _ path: [String] = []) -> [String: Double] {
        var found: [String: Double] = [:]
        if let object = value as? [String: Any] {
            for (key, inner) in object { found.merge(numbers(inner, path + [key])) { left, _ in left } }
        } else if let number = value as? NSNumber {
            found[path.joined(separator: ".")] = number.doubleValue
        }
        return found
    }

    @Test func everyCounterOfASchemeAndOfTheRecordIsAMetric() throws {
        let document = report()
        let object = try #require(try JSONSerialization.jsonObject(with: Data(renderJSON([document]).utf8)) as? [String: Any])
        let catalogue = MetricCatalogue(document).values
        for part in ["recorded", "schemes"] {
            for (name, number) in numbers(object[part] as Any, [part]) {
                let value = try #require(catalogue[name], "\(name) is no metric").value
                #expect(value == number, "\(name)")
            }
        }
    }

    @Test func everyCounterOfAComparisonIsAMetric() throws {
        let object = try #require(try JSONSerialization.jsonObject(with: Data(renderJSON([report()]).utf8)) as? [String: Any])
        let comparisons = try #require(object["comparisons"] as? [[String: Any]])
        for comparison in comparisons {
            let prefix = "comparisons.\(comparison["old"] as! String)/\(comparison["new"] as! String)"
            for name in numbers(comparison).keys { #expect(MetricCatalogue.known["\(prefix).\(name)"] != nil, "\(prefix).\(name)") }
        }
    }

    /// Beside the share of the CPU time that they waited, whatever the length of the recordings.
    @Test func whomIPIsInterruptAndHowLongSendersWaitAreMetrics() throws {
        let document = report {
            ($0.schemes["v4.13"]!.ipiIdle, $0.schemes["v4.13"]!.ipiKernel) = (300, 40)
            $0.shootdownLatency.sumNS = 2_000_000_000
        }
        let values = MetricCatalogue(document).values
        #expect(values["kernel.ipi_idle"]?.value == 300 && values["schemes.v4.13.ipi_kernel"]?.value == 40)
        let waited = try #require(values["shootdown_latency.sum_ns"])
        #expect(waited.value == 2_000_000_000 && Rate.usual(for: waited.metric.unit) == .shareOfCPUTime)
        // Reports of older versions have none of them.
        let older = MetricCatalogue(report()).values
        for name in ["kernel.ipi_idle", "kernel.ipi_kernel", "shootdown_latency.sum_ns"] {
            let value = try #require(older[name])
            #expect(value.value == nil && value.metric.mayBeAbsent)
        }
    }

    @Test func theNewestSchemeDiffersInNothingFromItself() {
        #expect(Recording(report()).values["kernel.extra_ipi_targets"] == .some(0))
        #expect(Recording(report(scheme: nil)).values["kernel.extra_ipi_targets"] == .some(nil))
    }

    @Test func whatIsJudgedByDefaultExists() {
        for name in MetricCatalogue.judgedByDefault { #expect(MetricCatalogue.known[name]?.direction == .higherIsWorse, "\(name)") }
    }

    @Test func theNearestNamesComeFirst() {
        #expect(nearest("kernel.ipi_target", among: MetricCatalogue.known.keys).first == "kernel.ipi_targets")
        #expect(nearest("schemes.v4.13.crs_loads", among: MetricCatalogue.known.keys).first == "schemes.v4.13.cr3_loads")
        #expect(nearest("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", among: ["a"]).isEmpty)
    }
}

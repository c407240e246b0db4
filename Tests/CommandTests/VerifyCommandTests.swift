import Foundation
import Testing

/// `lazytlb verify` on its way through arguments; what it finds is VerificationTests' matter.
@Suite struct VerifyCommandTests {
    private struct Found: Decodable {
        struct Difference: Decodable {
            var old: String
            var new: String
            var kind: String
            var steps: Int
            var history: [String]
        }

        struct Violation: Decodable {}

        var cpus: Int
        var mms: Int
        var complete: Bool
        var states: Int
        var steps: Int
        var farthest: Int
        var violations: [Violation]
        var differences: [Difference]
    }

    @Test func jsonHasWhatTextSays() throws {
        let options = ["verify", "--mms", "1", "--length", "5"]
        let json = try lazytlb(options + ["--format", "json"])
        #expect(json.status == 0)
        let found = try JSONDecoder().decode(Found.self, from: json.output)
        #expect((found.cpus, found.mms, found.complete, found.farthest) == (2, 1, false, 5))
        #expect(found.violations.isEmpty)
        let text = String(decoding: try lazytlb(options).output, as: UTF8.self)
        for number in [found.states, found.steps] { #expect(text.contains(" \(number) ") || text.contains(" \(number),")) }
        for difference in found.differences {
            #expect(text.contains("  \(difference.kind), ") && text.contains("\(difference.old) (\(difference.steps) step"))
            #expect(difference.new == "v4.13" && difference.steps > 0)
            for (index, step) in difference.history.enumerated() { #expect(text.contains("     \(index + 1)  \(step)\n")) }
        }
        #expect(text.contains("never: missing-ipi, warning\n") || text.contains("never: noop-ipi, missing-ipi, warning\n"))
    }

    @Test(arguments: [
        (["--cpus", "1"], "--cpus: expected 2 to 4"), (["--cpus", "5"], "--cpus: expected 2 to 4"), (["--mms", "0"], "--mms: expected 1 to 3"),
        (["--length", "0"], "--length: expected a number from 1 on"), (["trace.dat"], "Unexpected argument 'trace.dat'"),
    ])
    func aBadOptionHasStatus2(_ options: [String], _ cause: String) throws {
        let outcome = try lazytlb(["verify"] + options)
        #expect(outcome.status == 2 && outcome.output.isEmpty)
        #expect(outcome.errors.contains(cause), "\(outcome.errors)")
    }

    @Test func itGoesToTheFileThatIsNamed() throws {
        let path = NSTemporaryDirectory() + "lazytlb-verify-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let options = ["verify", "--mms", "1", "--length", "3"]
        let outcome = try lazytlb(options + ["-o", path])
        #expect(outcome.status == 0 && outcome.output.isEmpty)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == lazytlb(options).output)
    }
}

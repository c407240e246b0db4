import Foundation
import TestSupport
import Testing

/// `lazytlb verify` on its way through arguments; what it finds is VerificationTests' matter.
@Suite struct VerifyCommandTests {
    private struct Found: Decodable {
        struct Difference: Decodable {
            var old: String
            var new: String
            var kind: String
            var transitions: Int
            var history: [Told]
        }

        struct Told: Decodable {
            struct Effect: Decodable {
                var scheme: String
                var effect: String
            }

            var step: String
            var effects: [Effect]
        }

        struct Violation: Decodable {}

        var cpus: Int
        var mms: Int
        var complete: Bool
        var states: Int
        var transitions: Int
        var farthest: Int
        var violations: [Violation]
        var differences: [Difference]
    }

    @Test func jsonHasWhatTextSays() throws {
        let options = ["verify", "--mms", "1", "--length", "4"]
        let json = try lazytlb(options + ["--format", "json"])
        #expect(json.status == 0)
        let found = try JSONDecoder().decode(Found.self, from: json.output)
        try withTemporaryFile(json.output) { path in
            let validated = try Program.run("/usr/bin/python3", packageFolder.appendingPathComponent("tools/validate-report").path, "-v", path)
            #expect(validated.text.hasSuffix(": valid\n"), "\(validated.text)")
        }
        #expect((found.cpus, found.mms, found.complete, found.farthest) == (2, 1, false, 4))
        #expect(found.violations.isEmpty)
        let text = String(decoding: try lazytlb(options).output, as: UTF8.self)
        #expect(text.contains(" \(found.states), but for") && text.contains(" \(found.transitions) from one"))
        for difference in found.differences {
            #expect(text.contains("  \(difference.kind), ") && text.contains("\(difference.old) (\(difference.transitions) transition"))
            #expect(difference.new == "v4.13" && difference.transitions > 0)
            for (index, told) in difference.history.enumerated() {
                #expect(text.contains("     \(index + 1)  \(told.step)"))
                #expect(told.effects.map(\.scheme) == ["v4.12", "v4.13-parent", "v4.13"])
            }
            // The last step is the one in which they differ, but that the bookkeeping of one is stale then does not show in what it does.
            let last = try #require(difference.history.last)
            let effects = Dictionary(uniqueKeysWithValues: last.effects.map { ($0.scheme, $0.effect) })
            #expect(difference.kind == "stale-active-mm" || effects[difference.old] != effects[difference.new], "\(difference)")
        }
        #expect(text.hasSuffix("  never: noop-ipi, redundant-cr3-load, extra-ipi, missing-ipi, warning\n"))
    }

    @Test(arguments: [
        (["--cpus", "1"], "--cpus: expected 2 to 4"), (["--cpus", "5"], "--cpus: expected 2 to 4"), (["--mms", "0"], "--mms: expected 1 to 3"),
        (["--cpus", "3"], "--length: needed for more than 3 CPUs with one mm"), (["--cpus", "4", "--mms", "1"], "--length: needed"),
        (["--length", "0"], "--length: expected a number from 1 on"), (["trace.dat"], "Unexpected argument 'trace.dat'"),
    ])
    func aBadOptionHasStatus2(_ options: [String], _ cause: String) throws {
        let outcome = try lazytlb(["verify"] + options)
        #expect(outcome.status == 2 && outcome.output.isEmpty)
        #expect(outcome.errors.contains(cause), "\(outcome.errors)")
    }

    /// Before anything is tried: three CPUs take minutes.
    @Test func aPlaceThatCannotBeWrittenIsAnErrorAtOnce() throws {
        let outcome = try lazytlb(["verify", "--cpus", "3", "--mms", "1", "-o", "/nowhere/verify.txt"])
        #expect(outcome.status == 2)
        #expect(outcome.errors.hasPrefix("lazytlb: /nowhere/verify.txt: "))
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

import Foundation
import Report
import Testing

/// docs/report.schema.json describes exactly what is written.
///
/// The validator is Debian's python3-jsonschema, which tools/test installs.
@Suite struct SchemaTests {
    private let validator = packageFolder.appendingPathComponent("tools/validate-report").path

    private func validate(_ texts: [String]) throws -> [String] {
        try withTemporaryFolder { folder in
            let paths = try texts.enumerated().map { index, text in
                let file = folder.appendingPathComponent("\(index).json")
                try text.write(to: file, atomically: true, encoding: .utf8)
                return file.path
            }
            let (_, output) = try run("/usr/bin/python3", [validator, "-v"] + paths)
            return output.split(separator: "\n").map(String.init)
        }
    }

    @Test func reportsAreValid() throws {
        let empty = ReportDocument(tool: .init(version: "1"), trace: .init(path: "x", cpus: 0, events: 0))
        var sparse = sampleDocument()
        sparse.ipiMatrix = .init(scheme: "v4.12", cpus: 128, pairs: [.init(from: 127, to: 3, count: 5)])
        let verdicts = try validate([
            renderJSON([sampleDocument()]), renderJSON([empty]), renderJSON([sparse]), renderJSON([sampleDocument(), empty]),
            renderJSON([]),
        ])
        #expect(verdicts.count == 5)
        for verdict in verdicts { #expect(verdict.hasSuffix(": valid")) }
    }

    @Test func goldenReportsAreValid() throws {
        let goldens = packageFolder.appendingPathComponent("fixtures/golden")
        let cases = (try? FileManager.default.contentsOfDirectory(at: goldens, includingPropertiesForKeys: nil)) ?? []
        let reports = cases.filter { folder in
            // Other commands have JSON of their own.
            let arguments = try? String(contentsOf: folder.appendingPathComponent("args"), encoding: .utf8)
            return arguments?.hasPrefix("report") == true
        }.map { $0.appendingPathComponent("expected.json").path }.filter(FileManager.default.fileExists)
        guard !reports.isEmpty else { return }
        let (status, output) = try run("/usr/bin/python3", [validator] + reports)
        #expect(status == 0, "\(output)")
    }

    @Test func everyRenamedKeyIsFound() throws {
        let sample = try JSONSerialization.jsonObject(with: Data(renderJSON([sampleDocument()]).utf8))
        var mutants: [(key: String, text: String)] = []
        for path in keyPaths(of: sample) {
            let data = try JSONSerialization.data(withJSONObject: renaming(path[...], in: sample))
            mutants.append((path.map(\.description).joined(separator: "."), String(decoding: data, as: UTF8.self)))
        }
        #expect(mutants.count > 120)
        let verdicts = try validate(mutants.map(\.text))
        #expect(verdicts.count == mutants.count)
        for (mutant, verdict) in zip(mutants, verdicts) {
            #expect(verdict.contains(": invalid at "), "renaming \(mutant.key) is not noticed")
        }
    }

    // MARK: - Mutants

    private enum Step: CustomStringConvertible {
        case key(String), index(Int)

        var description: String {
            switch self {
            case .key(let key): key
            case .index(let index): "[\(index)]"
            }
        }
    }

    /// Objects whose keys are data: any text is right there.
    private let maps: Set = ["warnings", "by_reason"]

    private func keyPaths(of value: Any, below path: [Step] = []) -> [[Step]] {
        if let object = value as? [String: Any] {
            let isMap = if case .key(let name)? = path.last { maps.contains(name) } else { false }
            return object.sorted { $0.key < $1.key }.flatMap { key, value in
                let here = path + [.key(key)]
                return (isMap ? [] : [here]) + keyPaths(of: value, below: here)
            }
        }
        if let array = value as? [Any] {
            return array.enumerated().flatMap { keyPaths(of: $0.element, below: path + [.index($0.offset)]) }
        }
        return []
    }

    private func renaming(_ path: ArraySlice<Step>, in value: Any) -> Any {
        switch path.first {
        case .key(let key)?:
            var object = value as! [String: Any]
            let inner = object.removeValue(forKey: key)!
            object[path.count == 1 ? "x" + key : key] = path.count == 1 ? inner : renaming(path.dropFirst(), in: inner)
            return object
        case .index(let index)?:
            var array = value as! [Any]
            array[index] = renaming(path.dropFirst(), in: array[index])
            return array
        case nil: return value
        }
    }
}

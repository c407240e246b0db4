import AccuracyKit
import Foundation
import Reconstruction
import Testing
import TraceData

/// The two tables of docs/inference.md on damaged recordings, made anew. Takes many minutes, so it is asked for:
///
///     LAZYTLB_TRACES=FOLDER LAZYTLB_DAMAGE_TABLES=tables.md tools/test --filter DamageTables
@Suite struct DamageTables {
    private func measure(_ path: String, _ truth: Truth, _ damage: (inout DamagedTrace) -> Void) throws -> (lost: Double, found: AccuracyKit.Measurement) {
        var copy = try DamagedTrace(path)
        damage(&copy)
        return (copy.lostPart, try copy.open { try AccuracyKit.Measurement($0, .noProbes, against: truth) })
    }

    /// A share in percent, rounded down to a tenth.
    private func percent(_ share: Double?) -> String {
        guard let share else { return "–" }
        let tenths = Int(share * 1000)
        return tenths == 1000 ? "100" : "\(tenths / 10).\(tenths % 10)"
    }

    private func whole(_ share: Double) -> String { "\(Int((share * 100).rounded()))" }

    private func row(_ path: String, _ columns: [[String]]) -> String {
        let name = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent.replacing("-truth", with: "")
        return "| \(name) | " + columns.map { $0.joined(separator: " / ") }.joined(separator: " | ") + " |\n"
    }

    /// The worst of three seeds in each cell.
    private func lossRow(_ path: String, _ truth: Truth) throws -> String {
        var columns = [[String]](repeating: [], count: 6)
        for part in [0.03, 0.1, 0.3] {
            var (lost, unknown) = (0.0, 0.0)
            var worst: [Double?] = [nil, nil, nil, nil]
            for seed in UInt64(31)...33 {
                let (gaps, found) = try measure(path, truth) { $0.dropRandom(part, seed: seed) }
                let accuracy = found.accuracy
                (lost, unknown) = (max(lost, gaps), max(unknown, accuracy.time.unknownPart ?? 0))
                let threads = [accuracy.kernelPrecision.accuracy, accuracy.kernelRecall.accuracy].compactMap { $0 }.min()
                for (index, share) in [accuracy.switches.accuracy, accuracy.time.accuracy, accuracy.flushes.accuracy, threads].enumerated() {
                    if let share { worst[index] = min(worst[index] ?? 1, share) }
                }
            }
            for (index, cell) in ([whole(lost), whole(unknown)] + worst.map(percent)).enumerated() { columns[index].append(cell) }
        }
        return row(path, columns)
    }

    private func startRow(_ path: String, _ truth: Truth) throws -> String {
        var columns = [[String]](repeating: [], count: 4)
        for part in [0.25, 0.5, 0.9] {
            let accuracy = try measure(path, truth) { $0.dropPrefix(part) }.found.accuracy
            let shares = [accuracy.time.unknownPart, accuracy.switches.accuracy, accuracy.time.accuracy, accuracy.flushes.accuracy]
            for (index, share) in shares.enumerated() { columns[index].append(percent(share)) }
        }
        return row(path, columns)
    }

    private static let output = ProcessInfo.processInfo.environment["LAZYTLB_DAMAGE_TABLES"]

    @Test(.enabled(if: output != nil, "asked for with LAZYTLB_DAMAGE_TABLES=FILE")) func tables() throws {
        var losses = "| recording | CPU time in gaps | reported unknown | switches right | CPU time right | flushes right | kernel threads |\n| --- | --- | --- | --- | --- | --- | --- |\n"
        var starts = "| recording | reported unknown (CPU time) | switches right | CPU time right | flushes right |\n| --- | --- | --- | --- | --- |\n"
        #expect(!Recordings.allLarger.isEmpty)
        for path in Recordings.allLarger {
            let truth = try Recordings.truth(path)
            losses += try lossRow(path, truth)
            starts += try startRow(path, truth)
            try (losses + "\n" + starts).write(toFile: try #require(Self.output), atomically: true, encoding: .utf8)
        }
    }
}

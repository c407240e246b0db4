import AccuracyKit

/// A table in Markdown whose source is aligned as well.
struct Table {
    private static let head = [
        "recording", "evidence", "switches", "unknown", "CPU time", "unknown", "at first", "flushes", "unknown", "neighbours", "kernel threads", "IPI sends",
        "IPI targets", "CR3 loads", "divergences",
    ]
    /// The columns of text; the others are of numbers.
    private static let texts: Set<Int> = [0, 1, 14]
    private var rows: [[String]] = []

    mutating func add(_ row: [String]) { rows.append(row) }

    var text: String {
        let all = [Self.head] + rows
        let widths = Self.head.indices.map { column in all.map { max(4, $0[column].count) }.max() ?? 4 }
        func line(_ cells: [String]) -> String {
            let padded = cells.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return Self.texts.contains(column) ? cell + space : space + cell
            }
            return "| " + padded.joined(separator: " | ") + " |\n"
        }
        let rule = widths.enumerated().map { column, width in
            Self.texts.contains(column) ? String(repeating: "-", count: width) : String(repeating: "-", count: width - 1) + ":"
        }
        return line(Self.head) + line(rule) + rows.map(line).joined()
    }
}

/// The cells of a measurement.
func row(_ name: String, _ measured: Measurement) -> [String] {
    let accuracy = measured.accuracy
    let known = { (share: Share) in share.accuracy.map(percent) ?? "–" }
    let unknown = { (share: Share) in share.unknownPart.map(percent) ?? "–" }
    let differences = { (counter: (Measurement.CounterDifference) -> (guess: Int, real: Int)) in
        measured.counters.map { difference(counter($0)) }.joined(separator: " ")
    }
    let divergences = measured.divergences.filter { $0.guess != 0 || $0.real != 0 }.map { "\($0.kind.rawValue) \($0.guess)/\($0.real)" }
    return [
        name, measured.level.rawValue,
        known(accuracy.switches), unknown(accuracy.switches),
        known(accuracy.time), unknown(accuracy.time), percent(accuracy.unshownPart),
        known(accuracy.flushes), unknown(accuracy.flushes),
        known(accuracy.neighbours),
        known(accuracy.kernelPrecision) + "/" + known(accuracy.kernelRecall),
        differences { $0.ipiSends }, differences { $0.ipiTargets }, differences { $0.cr3Loads },
        divergences.joined(separator: ", "),
    ]
}

/// How far a counter is off, in percent.
private func difference(_ counter: (guess: Int, real: Int)) -> String {
    if counter.guess == counter.real { return "0" }
    if counter.real == 0 { return "+\(counter.guess)/0" }
    let hundredths = Int((10_000 * Double(counter.guess - counter.real) / Double(counter.real)).rounded())
    let digits = String(abs(hundredths) % 100)
    return (hundredths < 0 ? "-" : "+") + "\(abs(hundredths) / 100)." + String(repeating: "0", count: 2 - digits.count) + digits
}

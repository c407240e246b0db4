import Glibc
import Recording
import Report

/// Shows live summaries on standard output: on a terminal that can do so in place, elsewhere a line each.
final class LiveDisplay {
    private let isTerminal: Bool
    /// Lines that stand on the terminal.
    private var shown = 0
    /// Why nothing more can be shown, as the last summary met it.
    private(set) var failure: WriteError?
    /// The other end of a pipe is closed. To learn of it from a write would take until the next summary is made.
    var readerIsGone: Bool {
        var state = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        return poll(&state, 1, 0) > 0 && Int32(state.revents) & Int32(POLLERR) != 0
    }

    /// Processes that are listed.
    var processLimit: Int { isTerminal ? 8 : 3 }

    init(isTerminal: Bool = TextStyle.obeys(STDOUT_FILENO)) { self.isTerminal = isTerminal }

    func show(_ status: RecordingStatus, _ summary: LiveSummary) {
        guard isTerminal else { return put(LiveDisplay.line(status, summary) + "\n") }
        let lines = LiveDisplay.block(status, summary)
        // Back to the first line of what stands there; each line is cleared behind its text, and what is left over below.
        let back = shown > 0 ? "\u{1b}[\(shown)A\r" : ""
        put(back + lines.map { "\($0)\u{1b}[K\n" }.joined() + "\u{1b}[J")
        shown = lines.count
    }

    /// What stands there stays, and what follows comes below.
    func end() { shown = 0 }

    static func line(_ status: RecordingStatus, _ summary: LiveSummary) -> String {
        var parts = ["\(fixed(status.seconds, 0)) s"]
        parts.append("IPI targets/s " + summary.targets.map { "\($0.scheme) \(rate($0.rate))" }.joined(separator: " "))
        parts.append("sends/s \(rate(summary.sends))")
        parts.append("lazy \(share(summary.lazy))")
        parts += summary.processes.map { "\(printable($0.name)):\($0.pid) \(rate($0.rate))" }
        if status.lost > 0 { parts.append("\(grouped(status.lost)) events lost") }
        return parts.joined(separator: ", ")
    }

    static func block(_ status: RecordingStatus, _ summary: LiveSummary) -> [String] {
        var lines = [
            "\(fixed(status.seconds, 0)) s, \(fixed(Double(status.size) / 1e6, 1)) MB, \(grouped(status.lost)) events lost; Ctrl-C ends it with a report",
            "The last \(fixed(summary.seconds, 1)) s, \(grouped(summary.records)) records; an estimate, what was before is not in it",
            "  IPI targets/s  " + summary.targets.map { "\($0.scheme) \(rate($0.rate))" }.joined(separator: "  ") + "  (sends recorded \(rate(summary.sends)))",
            "  CPU time       lazy \(share(summary.lazy))  loaded mm unknown \(share(summary.unknown))",
        ]
        if !summary.processes.isEmpty { lines.append("  Processes that interrupt most, IPI targets/s") }
        for process in summary.processes {
            let name = printable(process.name)
            lines.append("    \(name)\(String(repeating: " ", count: max(1, 17 - name.count)))\(process.pid)  \(rate(process.rate))")
        }
        return lines
    }

    private static func rate(_ value: Double) -> String { fixed(value, value < 10 ? 1 : 0) }
    private static func share(_ value: Double) -> String { percent(Int(value * 1_000_000), of: 1_000_000) }

    private func put(_ text: String) {
        let writer = ByteWriter(descriptor: STDOUT_FILENO)
        writer.string(text)
        do { try writer.finish() } catch { failure = error }
    }
}

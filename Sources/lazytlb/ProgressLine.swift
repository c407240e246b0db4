import Dispatch
import Glibc
import Report
import Synchronization
import TraceData

/// A line on stderr that tells how far the work has come: from its second second on, on a terminal, and gone at its end.
final class ProgressLine: Sendable {
    private let timer: any DispatchSourceTimer & Sendable
    private let queue = DispatchQueue(label: "lazytlb.progress")
    private let isShown = Shown()

    private final class Shown: Sendable {
        let flag = Atomic(false)
    }

    /// Of what is read of a trace.
    convenience init?(_ progress: ReadingProgress, quiet: Bool, outputTo descriptor: Int32? = nil) {
        self.init(quiet: quiet, outputTo: descriptor) { ProgressLine.text(progress.records, progress.share, seconds: $0) }
    }

    /// nil where nobody wants to see it.
    ///
    /// - Parameter text: what there is to see, so many seconds after the beginning.
    init?(quiet: Bool, outputTo descriptor: Int32? = nil, text: @escaping @Sendable (_ seconds: Double) -> String) {
        guard !quiet, TextStyle.obeys(STDERR_FILENO) else { return nil }
        // Rows that run over the same terminal show that the work goes on.
        if let descriptor, isatty(descriptor) == 1 { return nil }
        let start = monotonicTime()
        let source = DispatchSource.makeTimerSource(queue: queue)
        source.schedule(deadline: .now() + 1, repeating: .milliseconds(200))
        source.setEventHandler { [isShown] in
            isShown.flag.store(true, ordering: .relaxed)
            ProgressLine.write("\r\(text(monotonicTime() - start))\u{1b}[K")
        }
        timer = source as! any DispatchSourceTimer & Sendable
        source.resume()
    }

    /// Takes the line away.
    func end() {
        queue.sync { timer.cancel() }
        if isShown.flag.load(ordering: .relaxed) { ProgressLine.write("\r\u{1b}[K") }
    }

    /// e.g. `12.3 M records, 48 %, 20.1 M/s, 1 s left`
    static func text(_ records: Int, _ share: Double, seconds: Double) -> String {
        var parts = ["\(millions(Double(records))) records"]
        if share > 0 { parts.append("\(Int(share * 100)) %") }
        parts.append("\(millions(Double(records) / max(seconds, 0.001)))/s")
        if share > 0.01 { parts.append("\(Int((seconds / share * (1 - share)).rounded(.up))) s left") }
        return parts.joined(separator: ", ")
    }

    private static func millions(_ count: Double) -> String {
        let tenths = Int((count / 100_000).rounded())
        return "\(tenths / 10).\(tenths % 10) M"
    }

    private static func write(_ text: String) { ByteWriter.put(text, to: STDERR_FILENO) }
}

/// Seconds since some moment in the past.
private func monotonicTime() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
}

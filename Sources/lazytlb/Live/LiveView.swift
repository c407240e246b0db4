import Dispatch
import Glibc
import Recording
import Report
import TraceData
import TraceWriting

/// Makes a summary of the last seconds of a recording, once a second, on a thread of its own: the recorder must not wait for it.
///
/// If one takes longer than a second, the next are left out until it is there.
final class LiveView: @unchecked Sendable {
    private let queue = DispatchQueue(label: "lazytlb.live")
    private let display = LiveDisplay()
    private let folder: String
    private let isFree = DispatchSemaphore(value: 1)
    /// Where the recording was at the last seconds, the oldest first. Used by the recorder's thread only.
    private var marks: [RecordedSoFar] = []
    /// What went wrong; read when the view is at its end.
    private(set) var problem: TraceError?
    /// Why the summaries cannot be shown; read when the view is at its end.
    var failure: WriteError? { display.failure ?? (display.readerIsGone ? .brokenPipe : nil) }

    /// Seconds that a summary covers, and bytes: a window of more begins later.
    private static let seconds = 5
    private static let bytes: UInt64 = 64 << 20

    /// - Parameter folder: for files without a name, with a slash at its end.
    init(folder: String) { self.folder = folder }

    /// Takes notice of how far the recording is.
    ///
    /// - Returns: whether anybody can see it.
    func show(_ status: RecordingStatus, _ now: RecordedSoFar) -> Bool {
        if display.readerIsGone { return false }
        marks.append(now)
        if marks.count > Self.seconds + 1 { marks.removeFirst() }
        // The recording's first second has no mark before it.
        var first = marks.count > Self.seconds ? marks[0] : nil
        for mark in marks.dropLast() where now.size(since: first) > Self.bytes { first = mark }
        guard isFree.wait(timeout: .now()) == .success else { return true }
        // The last summary is made, and it is known what became of it.
        guard display.failure == nil, now.size(since: first) > 0 else {
            isFree.signal()
            return display.failure == nil
        }
        let since = first
        queue.async { [self] in
            defer { isFree.signal() }
            do {
                let file = try unnamedFile(in: folder)
                defer { close(file) }
                try now.write(to: file, since: since)
                let trace = try TraceFile(descriptor: file, path: "the live recording")
                display.show(status, try LiveSummary(trace, processes: display.processLimit))
            } catch let error as TraceError {
                problem = error
            } catch {
                problem = TraceError(path: folder, cause: "\(error)")
            }
        }
        return true
    }

    /// Waits for the summary that is being made.
    func end() {
        queue.sync {}
        display.end()
    }
}

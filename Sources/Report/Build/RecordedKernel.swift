import LazyTLB
import Replay
import TraceData

/// Which kernel made a recording, and which of the schemes it may run.
public struct RecordedKernel: Sendable, Equatable {
    /// `uname -r`; nil if neither the trace nor the user tells.
    public var release: String?
    /// The schemes that such a kernel may run, the most likely first; empty if it runs none of those that are replayed.
    public var candidates: [String]

    /// The kernel that the trace names.
    public init(release: String?) {
        self.release = release
        candidates = RecordedKernel.candidates(KernelVersion(release: release))
    }

    /// The release alone does not tell `v4.13-parent`, a kernel between v4.12 and v4.13 that calls itself so, from `v4.13`.
    private static func candidates(_ version: KernelVersion?) -> [String] {
        guard let version else { return [] }
        switch version {
        case KernelVersion(4, 9)..<KernelVersion(4, 13): return [V412.id]
        case KernelVersion(4, 13): return [V413.id, V413Parent.id]
        default: return []
        }
    }

    /// The kernel that the user names (`--kernel`): a scheme's identifier, or a release as 4.12.4.
    ///
    /// - Parameter traced: the release that the trace names; it stays where the user names a scheme.
    public init(named name: String, traced: String?) throws(UnknownKernel) {
        let isScheme = RecordedKernel.schemes.contains(name)
        let isKernel = KernelVersion(release: name).map { $0 >= KernelVersion(4, 9) } == true
        guard isScheme || isKernel else { throw UnknownKernel(name: name) }
        self.init(release: isScheme ? traced : name)
        if isScheme { candidates = [name] }
    }

    /// All schemes that are replayed, oldest first.
    public static let schemes = Replay.schemes

    /// The scheme whose IPIs are of most interest: the recorded kernel's own, else the newest.
    public var primary: String { candidates.first ?? V413.id }
}

/// `--kernel` names no kernel.
public struct UnknownKernel: Error, Equatable, CustomStringConvertible {
    public var name: String

    public var description: String {
        "no such kernel: \(printable(name)); expected a scheme (\(RecordedKernel.schemes.joined(separator: ", "))) "
            + "or the release of a kernel from 4.9 on, as 4.12.4"
    }
}

import LazyTLB
import Reconstruction

/// A place where an old scheme and the reworked one do different things on the same input.
public struct Divergence: Sendable {
    public enum Kind: String, Sendable, CaseIterable {
        /// An interval: the old scheme's tlb.active_mm names a user mm while CR3 is init_mm.
        case staleActiveMM = "stale-active-mm"
        /// An IPI for the mm that a stale active_mm names: counted and handled, and nothing to do.
        case noopIPI = "noop-ipi"
        /// The same from the CPU's own flush.
        case noopLocalFlush = "noop-local-flush"
        /// The old scheme writes CR3 with what it holds already.
        case redundantCR3Load = "redundant-cr3-load"
        /// IPI targets of the old scheme that the reworked one would not have interrupted.
        case extraIPI = "extra-ipi"
        /// The reverse.
        case missingIPI = "missing-ipi"
        /// One scheme flushes where the other does not.
        case extraFlush = "extra-flush"
        /// A WARN or BUG of either scheme would fire.
        case warning

        /// Its place in ``allCases``.
        var index: Int {
            switch self {
            case .staleActiveMM: 0
            case .noopIPI: 1
            case .noopLocalFlush: 2
            case .redundantCR3Load: 3
            case .extraIPI: 4
            case .missingIPI: 5
            case .extraFlush: 6
            case .warning: 7
            }
        }
    }

    public var kind: Kind
    /// When and on which CPU; -1 for the pid of an IPI's receiver that no record of its own shows.
    public var moment: Moment
    /// The CPU that it happened on; for the targets of a flush the sender.
    public var cpu: Int { moment.cpu }
    /// The end of an interval, ns.
    public var end: UInt64?
    public var mm: MM
    /// CPUs: for IPIs those that only one scheme interrupts.
    public var targets: [Int] = []
    /// Of an IPI that was handled for nothing: who sent it.
    public var sender: Int?
    /// The scheme that does what the other does not.
    public var scheme: String
    /// Where the two schemes' views of the CPU concerned parted, if they had.
    public var since: Moment?
    public var detail: String = ""
}

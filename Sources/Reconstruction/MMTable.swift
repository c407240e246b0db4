import LazyTLB

/// The mms of a trace: their numbers, and names that a reader knows them by.
///
/// An mm is named after the process that it belongs to: name, leader's pid, and the count of execs that the trace showed before it.
public struct MMTable: Sendable {
    /// Who an mm belongs to.
    public struct Owner: Sendable {
        /// The process: its leader's pid where known, else the first of its tasks seen; -1 if none was.
        public var pid: Int32
        /// How many mms the same process had before in this trace (each exec gives it another one).
        public var generation: Int32
        /// The name of the process while it used this mm, empty if never seen.
        public var name: String
    }

    private var owners: [Owner?] = [Owner(pid: 0, generation: 0, name: "init_mm")]
    private var generations: [Int32: Int32] = [:]

    public init() {}

    /// A new mm of the process `pid`.
    public mutating func add(pid: Int32, name: String = "") -> MM {
        let mm = MM(Int32(owners.count))
        add(mm, pid: pid, name: name)
        return mm
    }

    /// The same with a number of the caller's, higher than those before.
    mutating func add(_ mm: MM, pid: Int32, name: String) {
        while owners.count < Int(mm.index) { owners.append(nil) }
        let generation = generations[pid, default: -1] + 1
        generations[pid] = generation
        owners.append(Owner(pid: pid, generation: generation, name: name))
    }

    /// The process that an mm belongs to is known now.
    mutating func give(_ mm: MM, to pid: Int32, name: String) {
        if let former = self[mm] {
            if former.pid == pid { return rename(mm, name) }
            // It was none of that one's.
            if generations[former.pid] == former.generation { generations[former.pid] = former.generation > 0 ? former.generation - 1 : nil }
        }
        let generation = generations[pid, default: -1] + 1
        generations[pid] = generation
        owners[Int(mm.index)] = Owner(pid: pid, generation: generation, name: name)
    }

    public subscript(_ mm: MM) -> Owner? { mm.isKnown && Int(mm.index) < owners.count ? owners[Int(mm.index)] : nil }

    /// The process's name, as it is known best: the latest one wins.
    public mutating func rename(_ mm: MM, _ name: String) {
        if mm.isUser, !name.isEmpty { owners[Int(mm.index)]?.name = name }
    }

    /// `name:pid`, and `+n` after the n-th exec; `?` and `?+n` of mms of which no task was seen; `init_mm`, `none`, `unknown`.
    public func name(_ mm: MM) -> String {
        switch mm {
        case .initMM: return "init_mm"
        case .none: return "none"
        case .unknown: return "unknown"
        default:
            guard let owner = self[mm] else { return "unknown" }
            let base = owner.pid < 0 ? "?" : "\(owner.name.isEmpty ? "?" : owner.name):\(owner.pid)"
            return owner.generation > 0 ? "\(base)+\(owner.generation)" : base
        }
    }
}

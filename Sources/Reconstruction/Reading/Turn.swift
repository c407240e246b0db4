/// How a second pass may take a record, as the first one has seen.
struct Way {
    enum Kind: UInt8 {
        /// As it would by itself.
        case any
        /// The TASK_SWITCH record of the CPU's last sched_switch (``TraceWalk/takesLoad(_:_:)``), of all pages.
        case awaitedLoad
        /// A usual switch (``TraceWalk/UsualSwitch``) in task context, by the task that goes and to ``Way/node`` under its own pid: without a CR3 load, or with one.
        case silentSwitch, loadingSwitch
    }

    let kind: Kind
    let node: Int32

    @inline(__always) private init(_ kind: Kind, _ node: Int32 = -1) { (self.kind, self.node) = (kind, node) }

    static var any: Way { @inline(__always) get { Way(.any) } }
    static var awaitedLoad: Way { @inline(__always) get { Way(.awaitedLoad) } }
    @inline(__always) static func silentSwitch(to node: Int32) -> Way { Way(.silentSwitch, node) }
    @inline(__always) static func loadingSwitch(to node: Int32) -> Way { Way(.loadingSwitch, node) }
}

/// A record's turn, as the first pass hands it to the second: of most records it is all that that one needs. 16 bytes instead of the record's 56 go from one processor's cache
/// to another's then, one behind the other.
struct Turn {
    /// ns.
    let time: UInt64
    let node: Int32
    /// As an index of ``Lookaheads/all``.
    let source: UInt16
    let kind: Way.Kind

    @inline(__always) init(time: UInt64, way: Way, source: UInt16) { (self.time, node, self.source, kind) = (time, way.node, source, way.kind) }
}

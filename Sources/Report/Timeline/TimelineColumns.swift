import LazyTLB
import Replay

/// The time of a timeline's span cut into columns, and how much of a column a CPU was in which state.
///
/// Of intervals there may be millions, of columns there are some hundred: only sums are kept.
struct TimelineColumns {
    /// What a colour stands for.
    struct Kind: Hashable {
        /// The mm that is loaded, where the state is of one: ``MM/none`` with `init` and `unknown`.
        var mm: MM
        var state: Interval.State

        init(_ interval: Interval) {
            state = interval.state
            mm = state == .user || state == .lazy ? interval.loaded : .none
        }

        init(_ mm: MM, _ state: Interval.State) { (self.mm, self.state) = (mm, state) }
    }

    /// A part of a column.
    struct Part {
        var column: Int32
        var kind: Kind
        /// In units of the clock.
        var time: UInt64
    }

    /// What is known of one CPU.
    struct CPU {
        /// In the order of columns, those of one in no order. A kind is there once a column at most.
        fileprivate(set) var parts: [Part] = []
        /// By column: how long the bookkeeping named another mm than the loaded one. Empty if it never did.
        fileprivate(set) var stale: [UInt64] = []
        /// The column that the latest interval ends in, of which there may be more.
        fileprivate var open: Int32 = 0
        fileprivate var sums: [Kind: UInt64] = [:]

        fileprivate mutating func close() {
            for (kind, time) in sums { parts.append(Part(column: open, kind: kind, time: time)) }
            sums.removeAll(keepingCapacity: true)
        }
    }

    let span: Range<UInt64>
    let count: Int
    /// By CPU; nil for one that has no interval.
    private(set) var cpus: [CPU?] = []

    /// - Parameter most: columns at most. There are no more than units of time.
    init(of span: Range<UInt64>, most: Int) {
        self.span = span
        count = Int(min(UInt64(most), span.upperBound - span.lowerBound))
    }

    /// An interval, of which what lies in the span counts: those of a CPU in the order of time. Takes as long as it covers columns.
    mutating func add(_ interval: Interval) {
        while cpus.count <= interval.cpu { cpus.append(nil) }
        var cpu = cpus[interval.cpu] ?? CPU()
        // So that there is one copy of it.
        cpus[interval.cpu] = nil
        add(interval, from: max(interval.start, span.lowerBound), to: min(interval.end, span.upperBound), &cpu)
        cpus[interval.cpu] = cpu
    }

    private func add(_ interval: Interval, from first: UInt64, to last: UInt64, _ cpu: inout CPU) {
        guard first < last else { return }
        let kind = Kind(interval), isStale = interval.active != interval.loaded
        if isStale, cpu.stale.isEmpty { cpu.stale = Array(repeating: 0, count: count) }
        var start = first
        var column = self.column(start)
        while true {
            let end = min(last, self.start(column + 1))
            if column != Int(cpu.open) {
                cpu.close()
                cpu.open = Int32(column)
            }
            cpu.sums[kind, default: 0] += end - start
            if isStale { cpu.stale[column] += end - start }
            if end == last { break }
            (start, column) = (end, column + 1)
        }
    }

    /// Behind the last interval.
    mutating func finish() {
        for cpu in cpus.indices { cpus[cpu]?.close() }
    }

    /// The column that a moment of the span lies in.
    private func column(_ time: UInt64) -> Int {
        let product = (time - span.lowerBound).multipliedFullWidth(by: UInt64(count))
        return Int((span.upperBound - span.lowerBound).dividingFullWidth(product).quotient)
    }

    /// When a column begins: at the first moment that lies in it.
    func start(_ column: Int) -> UInt64 {
        let product = (span.upperBound - span.lowerBound).multipliedFullWidth(by: UInt64(column))
        let (quotient, remainder) = UInt64(count).dividingFullWidth(product)
        return span.lowerBound + quotient + (remainder > 0 ? 1 : 0)
    }
}

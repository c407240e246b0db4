import LazyTLB
import Tables

/// How long CPUs were in which state of the lazy TLB, ns, summed over them. What is left of the time is unknown.
public struct StateTimes: Sendable, Equatable {
    /// A task with an mm ran, and an mm was loaded.
    public var user: UInt64 = 0
    /// A task without an mm ran, on a borrowed one.
    public var lazy: UInt64 = 0
    /// init_mm was loaded.
    public var initMM: UInt64 = 0
}

/// The same under each scheme, as the replay goes on.
///
/// A state hangs on the CPU's task, which is the same in all schemes, and on the mm that a scheme has loaded. There is a sum for each of what these can be together (``Situation``), so that a
/// change is one addition for all schemes, and a switch from one process to another none.
struct CPUTimes: Sendable {
    /// By CPU a row: since when its situation is as it is, ns; which one that is; and the time in each.
    private let rows: Flat<UInt64>
    private static let width = 2 + Int(Situation.count)
    /// By CPU: nothing tells what it has loaded (``StimulusSink/mayBeDown(_:at:)``).
    private let isInDoubt: Flat<Bool>

    init(cpus: Int) {
        rows = Flat(repeating: 0, count: cpus * Self.width)
        isInDoubt = Flat(repeating: false, count: cpus)
    }

    /// A task without an mm comes in: what is loaded stays.
    @inline(__always) func runLazy(_ cpu: Int, at time: UInt64) {
        let row = row(cpu)
        change(row, Situation(number: row[1]).running(.none), time)
    }

    /// A task with an mm comes in, which is loaded in all schemes then.
    @inline(__always) func runLoaded(_ cpu: Int, at time: UInt64) { change(row(cpu), .user, time) }

    /// The current task's mm, and those that are loaded in the three schemes.
    @inline(__always) func change(_ cpu: Int, task: MM, loaded: (MM, MM, MM), at time: UInt64) {
        if !isInDoubt[cpu] { change(row(cpu), Situation(task: task, loaded: loaded), time) }
    }

    /// What is loaded cannot be told, until the doubt ends.
    func doubt(_ cpu: Int, at time: UInt64) {
        change(row(cpu), .unknown, time)
        isInDoubt[cpu] = true
    }

    func endDoubt(_ cpu: Int) { isInDoubt[cpu] = false }

    @inline(__always) private func row(_ cpu: Int) -> UnsafeMutablePointer<UInt64> { rows.base + cpu &* Self.width }

    @inline(__always) private func change(_ row: UnsafeMutablePointer<UInt64>, _ situation: Situation, _ time: UInt64) {
        if row[1] == situation.number { return }
        settle(row, time)
        row[1] = situation.number
    }

    /// A damaged trace may run backwards; a CPU's own time does not.
    @inline(__always) private func settle(_ row: UnsafeMutablePointer<UInt64>, _ time: UInt64) {
        guard time > row[0] else { return }
        row[2 &+ Int(truncatingIfNeeded: row[1])] &+= time &- row[0]
        row[0] = time
    }

    /// Counts from here on.
    func beginWindow(at time: UInt64) {
        finish(at: time)
        for cpu in 0..<rows.count / Self.width { (row(cpu) + 2).update(repeating: 0, count: Self.width - 2) }
    }

    /// The trace ends.
    func finish(at time: UInt64) {
        for cpu in 0..<rows.count / Self.width { settle(row(cpu), time) }
    }

    /// Of all CPUs, in the order of ``Replay/schemes``.
    var totals: [StateTimes] {
        let sums = (0..<Situation.count).map { number in
            (0..<rows.count / Self.width).reduce(into: UInt64(0)) { $0.addClamped(row($1)[2 + Int(number)]) }
        }
        return Replay.schemes.indices.map { scheme in
            var times = StateTimes()
            for (number, time) in sums.enumerated() where time > 0 {
                let situation = Situation(number: UInt64(number))
                switch (situation.loaded(scheme), situation.task) {
                case (.none, _): times.initMM.addClamped(time)
                case (.user, .user): times.user.addClamped(time)
                case (.user, .none): times.lazy.addClamped(time)
                default: break
                }
            }
            return times
        }
    }
}

/// What matters of a CPU's task, and of what the three schemes have loaded on it: a number, two bits for each.
private struct Situation {
    let number: UInt64

    /// Of the mm of a task, or of one that is loaded. A number rather than a case: it is calculated more often than looked at.
    struct Kind: Equatable {
        let number: UInt64

        static let unknown = Kind(number: 0)
        /// A task has none; what is loaded is init_mm.
        static let none = Kind(number: 1)
        static let user = Kind(number: 2)
    }

    static let count: UInt64 = 1 << 8
    static let unknown = Situation(number: 0)
    /// A task with an mm, and one loaded in all schemes.
    static let user = Situation(number: 0b10_10_10_10)

    @inline(__always) init(number: UInt64) { self.number = number }

    @inline(__always) init(task: MM, loaded: (MM, MM, MM)) {
        // Twice 0 or 1, by the signs: without branches, which could not be foreseen.
        func number(_ mm: MM, from least: MM) -> UInt64 { UInt64(UInt32(bitPattern: 0 &- mm.index) >> 31 &+ UInt32(bitPattern: ~(mm.index &- least.index)) >> 31) }
        self.number = number(task, from: .none) | number(loaded.0, from: .initMM) << 2 | number(loaded.1, from: .initMM) << 4 | number(loaded.2, from: .initMM) << 6
    }

    @inline(__always) func running(_ task: Kind) -> Situation { Situation(number: number & ~3 | task.number) }

    var task: Kind { Kind(number: number & 3) }
    func loaded(_ scheme: Int) -> Kind { Kind(number: number >> UInt64(2 + 2 * scheme) & 3) }
}

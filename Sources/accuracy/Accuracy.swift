nonisolated(unsafe) var debugTime = false
import LazyTLB
import Replay

/// An inferred history measured against the true one.
struct Accuracy {
    var switches = 0
    var rightSwitches = 0
    var unknownSwitches = 0
    var time: UInt64 = 0
    var rightTime: UInt64 = 0
    var unknownTime: UInt64 = 0
    var kernelPrecision = (right: 0, all: 0)
    var kernelRecall = (right: 0, all: 0)
    var flushes = 0
    var rightFlushes = 0
    var unknownFlushes = 0
    /// Consecutive user tasks of a CPU: whether they share an mm.
    var neighbours = 0
    var rightNeighbours = 0
    /// Mms that are wrong most often: (true, inferred, switches).
    var worst: [(true: MM, inferred: MM, count: Int)] = []

    init(true truth: History, inferred: History, pids: [[Int32]]) {
        let map = Accuracy.mapping(truth, inferred)
        var wrong: [UInt64: Int] = [:]
        var trueUser: Set<Int32> = [], seen: Set<Int32> = [], inferredUser: Set<Int32> = []
        for cpu in truth.switches.indices {
            var lastPID: Int32 = 0
            var last: (MM, MM)?
            for (index, (real, guess)) in zip(truth.switches[cpu], inferred.switches[cpu]).enumerated() where real.mm != .unknown {
                let pid = pids[cpu][index]
                switches += 1
                if guess.mm == .unknown {
                    unknownSwitches += 1
                } else if Accuracy.map(guess.mm, map) == real.mm {
                    rightSwitches += 1
                } else {
                    if debugTime { print("WRONG", cpu, index, pid, real.mm.index, guess.mm.index, Accuracy.map(guess.mm, map).index) }
                    wrong[UInt64(UInt32(bitPattern: real.mm.index)) << 32 | UInt64(UInt32(bitPattern: guess.mm.index)), default: 0] += 1
                }
                if pid > 0 {
                    seen.insert(pid)
                    if real.mm.isUser { trueUser.insert(pid) }
                    if guess.mm.isUser { inferredUser.insert(pid) }
                }
                if real.mm.isUser {
                    if let last, lastPID != pid {
                        neighbours += 1
                        if guess.mm.isUser, last.1.isUser, (last.0 == real.mm) == (last.1 == guess.mm) { rightNeighbours += 1 }
                    }
                    last = (real.mm, guess.mm)
                    lastPID = pid
                }
            }
            compareTime(truth.points[cpu], inferred.points[cpu], map)
            for (real, guess) in zip(truth.flushes[cpu], inferred.flushes[cpu]) where real != .unknown {
                flushes += 1
                if guess == .unknown { unknownFlushes += 1 } else if Accuracy.map(guess, map) == real { rightFlushes += 1 }
            }
        }
        for pid in seen {
            let isKernel = !trueUser.contains(pid), saysKernel = !inferredUser.contains(pid)
            if saysKernel { kernelPrecision.all += 1 }
            if isKernel { kernelRecall.all += 1 }
            if isKernel && saysKernel {
                kernelPrecision.right += 1
                kernelRecall.right += 1
            }
        }
        worst = wrong.sorted { $0.value > $1.value }.prefix(12).map {
            (MM(Int32(truncatingIfNeeded: $0.key >> 32)), MM(Int32(truncatingIfNeeded: $0.key & 0xffff_ffff)), $0.value)
        }
    }

    private static func map(_ mm: MM, _ map: [Int32: Int32]) -> MM { mm.isUser ? MM(map[mm.index] ?? -3) : mm }

    /// The best one-to-one mapping of inferred mms to true ones: pairs by how many switches they share, most first.
    private static func mapping(_ truth: History, _ inferred: History) -> [Int32: Int32] {
        var counts: [UInt64: Int] = [:]
        for cpu in truth.switches.indices {
            for (real, guess) in zip(truth.switches[cpu], inferred.switches[cpu]) where real.mm.isUser && guess.mm.isUser {
                counts[UInt64(UInt32(guess.mm.index)) << 32 | UInt64(UInt32(real.mm.index)), default: 0] += 1
            }
            for (real, guess) in zip(truth.flushes[cpu], inferred.flushes[cpu]) where real.isUser && guess.isUser {
                counts[UInt64(UInt32(guess.index)) << 32 | UInt64(UInt32(real.index)), default: 0] += 0
            }
        }
        var map: [Int32: Int32] = [:]
        var taken: Set<Int32> = []
        for (key, _) in counts.sorted(by: { ($0.value, $1.key) > ($1.value, $0.key) }) {
            let guess = Int32(key >> 32), real = Int32(truncatingIfNeeded: key)
            if map[guess] == nil, !taken.contains(real) {
                map[guess] = real
                taken.insert(real)
            }
        }
        return map
    }

    private mutating func compareTime(_ truth: [History.Point], _ inferred: [History.Point], _ map: [Int32: Int32]) {
        guard let start = truth.first?.time, let end = truth.last?.time else { return }
        var at = start
        var (i, j) = (0, 0)
        while at < end {
            while i + 1 < truth.count, truth[i + 1].time <= at { i += 1 }
            while j + 1 < inferred.count, inferred[j + 1].time <= at { j += 1 }
            var next = end
            if i + 1 < truth.count { next = min(next, truth[i + 1].time) }
            if j + 1 < inferred.count { next = min(next, inferred[j + 1].time) }
            if next <= at { break }
            if truth[i].loaded != .unknown, truth[i].task != .unknown {
                time += next - at
                let guess = inferred.isEmpty || inferred[j].time > at ? nil : inferred[j]
                if let guess, guess.loaded != .unknown, guess.task != .unknown {
                    if Accuracy.map(guess.loaded, map) == truth[i].loaded, Accuracy.map(guess.task, map) == truth[i].task { rightTime += next - at } else if debugTime { print("TIME", at, next - at, "true", truth[i].task.index, truth[i].loaded.index, "guess", Accuracy.map(guess.task, map).index, Accuracy.map(guess.loaded, map).index) }
                } else {
                    unknownTime += next - at
                }
            }
            at = next
        }
    }
}

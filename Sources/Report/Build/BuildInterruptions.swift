import LazyTLB
import Replay

extension ReportBuilder {
    /// The processes whose flushes interrupt CPUs under any scheme, those that interrupt most under one of them first.
    ///
    /// A process has another mm after each exec, and flushes without one when it exits: all of that is one entry.
    func interrupters() -> [ReportDocument.Interrupter] {
        var found: [UInt64: Entry] = [:]
        replay.traffic.forEachProcess { process, sums in
            guard sums.targets.most > 0 else { return }
            let entry = identity(process)
            var sum = found[entry.key] ?? entry
            if entry.age > sum.age { (sum.age, sum.name) = (entry.age, entry.name) }
            sum.flushes += sums.flushes
            sum.targets += sums.targets
            found[entry.key] = sum
        }
        return found.values.sorted { left, right in
            left.targets.most != right.targets.most ? left.targets.most > right.targets.most : (left.pid, left.mm) < (right.pid, right.mm)
        }.map { entry in
            ReportDocument.Interrupter(
                process: entry.name, pid: entry.pid < 0 ? nil : Int(entry.pid), flushes: entry.flushes,
                ipiTargets: entry.targets.byScheme)
        }
    }

    private struct Entry {
        var pid: Int32
        /// Tells processes of unknown pid apart; 0 for the others.
        var mm: Int32 = 0
        var key: UInt64 { UInt64(UInt32(bitPattern: pid)) << 32 | UInt64(UInt32(bitPattern: mm)) }
        var name: String
        /// The later the mm, the later its name; a task without one is older than all.
        var age: Int32
        var flushes = 0
        var targets = SchemeCounts()
    }

    private func identity(_ process: IPITraffic.Process) -> Entry {
        switch process {
        case .task(let pid):
            return Entry(pid: pid, name: pid == 0 ? "swapper" : name(pid) ?? "<...>", age: -1)
        case .mm(let mm):
            guard let owner = history.mms[mm] else { return Entry(pid: -1, mm: mm.index, name: "<...>", age: mm.index) }
            let name = owner.name.isEmpty ? name(owner.pid) ?? "<...>" : owner.name
            return Entry(pid: owner.pid, mm: owner.pid < 0 ? mm.index : 0, name: name, age: mm.index)
        }
    }

    func matrix() -> ReportDocument.IPIMatrix {
        let traffic = replay.traffic
        var pairs: [ReportDocument.IPIMatrix.Pair] = []
        for sender in 0..<traffic.cpus where traffic.hasSent(sender) {
            for receiver in 0..<traffic.cpus where traffic[sender, receiver] > 0 {
                pairs.append(.init(from: sender, to: receiver, count: traffic[sender, receiver]))
            }
        }
        return ReportDocument.IPIMatrix(scheme: traffic.primary, cpus: traffic.cpus, pairs: pairs)
    }
}

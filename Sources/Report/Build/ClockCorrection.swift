import Reconstruction
import Replay

/// What is left to be said of clocks that differ, behind what could be corrected; nil if nothing.
func clockNote(_ history: Reconstruction<Replay>, _ skew: ClockSkew?) -> String? {
    guard history.evidence.clocksDiffer else { return nil }
    let why =
        switch skew?.cpus.isEmpty {
        case nil: "and there are too many to measure by how much"
        case true?: "by nothing that a constant for each of them corrects"
        case false?: "by more than a constant for each of them: they drift"
        }
    return "The CPUs' clocks differ, \(why). What hangs on the order of CPUs may be wrong."
}

extension ReportDocument.ClockSkew {
    /// nil if no two records contradict their order.
    init?(_ skew: ClockSkew) {
        guard skew.inversions > 0 else { return nil }
        self.init(
            inversions: skew.inversions, inversionsLeft: skew.inversionsLeft, largestNS: Int(skew.largest),
            corrected: skew.cpus.map {
                CPU(cpu: $0.cpu, aheadNS: Int($0.ahead), atLeastNS: $0.atLeast.map { Int($0) }, atMostNS: $0.atMost.map { Int($0) })
            })
    }
}

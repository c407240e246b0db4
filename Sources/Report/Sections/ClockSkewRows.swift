extension ReportSections {
    /// What the CPUs' clocks say against each other, in a sentence for each CPU; empty if nothing.
    func clockSkew() -> [String] {
        guard let skew = document.trace.clockSkew else { return [] }
        let shown = skew.corrected.prefix(Self.skewedCPUsShown)
        var lines = shown.map { cpu in
            let side = cpu.aheadNS < 0 ? "behind" : "ahead of"
            var range = ""
            if let least = cpu.atLeastNS, let most = cpu.atMostNS, (least < 0) == (most < 0) {
                let (low, high) = least < 0 ? (most.magnitude, least.magnitude) : (least.magnitude, most.magnitude)
                range = " (\(times.duration(UInt64(low))) to \(times.duration(UInt64(high))))"
            }
            return "CPU \(cpu.cpu) is \(side) the others by \(times.duration(UInt64(cpu.aheadNS.magnitude)))\(range); corrected"
        }
        if skew.corrected.count > shown.count { lines.append("and \(count(skew.corrected.count - shown.count, "more CPU"))") }
        var order = "\(count(skew.inversions, "pair")) of records in an order that cannot be"
        if skew.largestNS > 0 { order += ", by up to \(times.duration(UInt64(skew.largestNS)))" }
        lines.append(order)
        if skew.inversionsLeft > 0 {
            lines.append(
                (skew.corrected.isEmpty ? "not corrected" : "\(grouped(skew.inversionsLeft)) of them with the correction")
                    + ": what hangs on the order of CPUs may be wrong")
        }
        return lines
    }

    private static let skewedCPUsShown = 8
}

import Reconstruction
import TraceData

/// What an inference must reach, as shares of what it does not report unknown; and how much it may report unknown at most.
public struct Floors: Sendable {
    public var switches = 0.998
    public var time: Double? = 0.999
    public var flushes: Double? = 0.99
    public var neighbours: Double?
    public var kernelThreads: Double?
    public var unknownSwitches = 0.002
    /// Once the CPU has shown what it has loaded, and before.
    public var unknownTime = 0.005
    public var unshownTime = 0.5
    public var unknownFlushes = 0.01

    /// - Parameter release: the recorded kernel's; kernels before v4.14 show more of what they do.
    public init(_ level: EvidenceLevel, release: String?) {
        if level == .switchesOnly {
            let isOld = KernelVersion(release: release).map { $0 < KernelVersion(4, 14) } ?? false
            (switches, time, flushes, neighbours) = (isOld ? 0.99 : 0.98, nil, nil, 0.97)
        } else {
            kernelThreads = 1
            if level == .noCloneFlags { time = 0.997 }
        }
    }

    /// What an accuracy misses, in words.
    public func missed(by accuracy: Accuracy) -> [String] {
        let checks: [(String, Double?, Double?)] = [
            ("switches", accuracy.switches.accuracy, switches),
            ("CPU time", accuracy.time.accuracy, time),
            ("flushes", accuracy.flushes.accuracy, flushes),
            ("neighbours", accuracy.neighbours.accuracy, neighbours),
            ("kernel threads' precision", accuracy.kernelPrecision.accuracy, kernelThreads),
            ("kernel threads' recall", accuracy.kernelRecall.accuracy, kernelThreads),
        ]
        let unknown: [(String, Double?, Double)] = [
            ("switches", accuracy.switches.unknownPart, unknownSwitches), ("CPU time", accuracy.time.unknownPart.map { $0 - accuracy.unshownPart }, unknownTime),
            ("CPU time at first", accuracy.unshownPart, unshownTime), ("flushes", accuracy.flushes.unknownPart, unknownFlushes),
        ]
        return checks.compactMap { name, reached, floor in
            guard let reached, let floor, reached < floor else { return nil }
            return "\(name) \(percent(reached)) %, at least \(percent(floor)) % expected"
        } + unknown.compactMap { name, part, limit in
            guard let part, part > limit else { return nil }
            return "\(name) \(percent(part)) % unknown, at most \(percent(limit)) % expected"
        }
    }
}

/// A share in percent with three digits, never rounded up to all.
public func percent(_ share: Double) -> String {
    let thousandths = share < 1 ? min(99_999, Int((share * 100_000).rounded())) : 100_000
    let digits = String(thousandths % 1000)
    return "\(thousandths / 1000)." + String(repeating: "0", count: 3 - digits.count) + digits
}

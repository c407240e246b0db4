/// Which generation of x86 TLB code made a recording, from its release string.
public enum KernelGeneration: String, Sendable, CaseIterable {
    /// v4.9 to v4.12: cpu_tlbstate.active_mm.
    case activeMM = "v4.12"
    /// v4.13, or a kernel between v4.12 and v4.13 that calls itself so: the release alone does not tell `v4.13-parent` from `v4.13`.
    case loadedMM = "v4.13"
    /// v4.14 to v4.19: tlb_gen; with PCID no lazy TLB at all.
    case generations = "v4.14"
    /// v4.20 and later: lazy CPUs are mostly left alone, a switch back may flush without changing mm.
    case lazier = "v4.20"
    /// v6.14 and later: stale bits stay in mm_cpumask.
    case lazyMask = "v6.14"
    case unknown

    public init(release: String?) {
        guard let release else {
            self = .unknown
            return
        }
        let parts = release.split(whereSeparator: { !$0.isNumber && $0 != "." }).first?.split(separator: ".") ?? []
        guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1]) else {
            self = .unknown
            return
        }
        switch (major, minor) {
        case (4, 9...12): self = .activeMM
        case (4, 13): self = .loadedMM
        case (4, 14...19): self = .generations
        case (4, 20...), (5, _), (6, 0...13): self = .lazier
        case (6, 14...), (7..., _): self = .lazyMask
        default: self = .unknown
        }
    }

    /// The schemes that a kernel of this generation may run; empty where none of the modelled ones fits.
    public var schemes: [String] {
        switch self {
        case .activeMM: ["v4.12"]
        case .loadedMM: ["v4.13", "v4.13-parent"]
        default: []
        }
    }
}

/// What a timeline is of: what an output says beside the intervals.
public struct TimelineSubject: Sendable {
    /// The trace as the user named it.
    public var trace: String
    /// The recorded kernel's release, if the trace or the user tells.
    public var kernel: String?
    /// The scheme that was replayed; nil for what the recorded kernel's own records show.
    public var scheme: String?
    /// What was used to find mms, as `--evidence` names it.
    public var evidence: String
    /// The trace clock's name, and what it counts.
    public var clock: String
    public var unit: ReportDocument.Trace.TimeUnit
    /// CPUs that are shown.
    public var cpus: Int
    /// From the first moment that is shown to the last, in units of the clock.
    public var span: Range<UInt64>
    /// Where the scheme that was replayed diverges from the newest one, as far as that was found out: on the CPUs and in the time that are shown, in the order of time.
    public var divergences: [ReportDocument.Divergence] = []

    public init(
        trace: String, kernel: String? = nil, scheme: String? = nil, evidence: String, clock: String, unit: ReportDocument.Trace.TimeUnit, cpus: Int, span: Range<UInt64>
    ) {
        (self.trace, self.kernel, self.scheme, self.evidence) = (trace, kernel, scheme, evidence)
        (self.clock, self.unit, self.cpus, self.span) = (clock, unit, cpus, span)
    }

    /// Whose timeline it is, for people.
    var whose: String {
        if let scheme { return "as scheme \(scheme) would have had it" }
        return kernel.map { "as the recorded kernel had it (\(printable($0)))" } ?? "as the recorded kernel had it"
    }
}

import ArgumentParser
import Checks
import Report
import TraceData

extension CheckFormat: Choice {}

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", _superCommandName: programName,
        abstract: "Say whether TLB behaviour got worse: by a baseline, by a budget, or by what the kernel's own scheme says.",
        discussion: """
            Takes traces and reports (report --format json). Exit status: 0 fine, 1 a regression, 2 bad input or command line, 3 inconclusive: \
            the recordings cannot tell, or cannot be compared. docs/ci.md has the metrics, the statistics and recipes for CI.
            """)

    @Argument(help: ArgumentHelp("Traces or reports, files or pipes, - for standard input; several are recordings of one workload.", valueName: "trace"))
    var traces: [String]

    @Option(help: ArgumentHelp("What lazytlb baseline wrote; - for standard input. Without a budget the metrics of the default list may not increase.", valueName: "file"))
    var baseline: String?

    @Option(help: ArgumentHelp("Bounds on metrics (YAML); - for standard input.", valueName: "file"))
    var budget: String?

    @Flag(help: "The recorded kernel behaves as the scheme of its version says.")
    var conform = false

    @Flag(name: .customLong("no-extra-ipis"), help: "It interrupts no CPU that the reworked scheme would leave alone.")
    var noExtraIPIs = false

    @Flag(name: .customLong("no-stale-active-mm"), help: "It never keeps an active_mm that CR3 does not hold.")
    var noStaleActiveMM = false

    // Of what is given for a number it is said that it is none, or none of those that may be; also of -1, which looks like an option.
    @Option(parsing: .unconditional, help: ArgumentHelp("How sure a regression is that is reported: the chance of no false alarm in any metric, in percent (default: 95).", valueName: "percent"))
    var confidence: Double?

    @Option(parsing: .unconditional, help: ArgumentHelp("With one recording on either side: the increase that is allowed, in percent (default: 100).", valueName: "percent"))
    var tolerance: Double?

    @Flag(help: "Compare with the baseline even what is not comparable; the output says so.")
    var forceCompare = false

    @Option(help: "How to write the result.")
    var format = CheckFormat.text

    @Option(name: [.short, .long], help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("Write the result in another format, too, as junit=check.xml. Can be given several times. What is on standard output is --format's.", valueName: "format=file"),
        transform: FormattedFile.init)
    var write: [FormattedFile] = []

    @OptionGroup var options: TraceOptions

    /// So many deviations are listed; the others are counted only.
    static let deviationLimit = 1000

    func validate() throws {
        try demandOneStandardInput(traces + [baseline, budget].compactMap { $0 })
        guard baseline != nil || budget != nil || conform || noExtraIPIs || noStaleActiveMM else {
            throw ValidationError("nothing to check: give --baseline, --budget, --conform, --no-extra-ipis or --no-stale-active-mm")
        }
        for (option, isGiven) in [("--confidence", confidence != nil), ("--tolerance", tolerance != nil), ("--force-compare", forceCompare)] where isGiven && baseline == nil {
            throw ValidationError("\(option) is for --baseline")
        }
        if let confidence, !(confidence > 50 && confidence < 100) { throw ValidationError("--confidence is a number above 50 and below 100") }
        if let tolerance, !(tolerance >= 0 && tolerance.isFinite) { throw ValidationError("--tolerance is a number from 0 on") }
    }

    func run() throws {
        try Failures.handle {
            let reading = options.reading
            try reading.checkKernel()
            let inputs = traces + [baseline, budget].compactMap { $0 }
            try CheckInput.demandDifferent(traces)
            try OutputFile.demandPlaces([output] + write.map(\.path), inputs: inputs)
            // What a person wrote first: an error there should not wait for the traces.
            let expected = try baseline.map { try Baseline(text: try CheckInput.text($0), path: $0) }
            let bounds = try budget.map { try Budget(text: try CheckInput.text($0), path: $0) }
            if let bounds, expected == nil, let bound = bounds.bounds.first(where: \.needsBaseline) {
                throw DocumentError(path: budget ?? "", line: bound.line, key: "metrics.\(bound.metric.name)", cause: "a bound relative to the baseline needs --baseline")
            }
            let documents = try traces.flatMap { try CheckInput.documents($0, reading, deviations: conform ? Self.deviationLimit : nil) }
            try CheckInput.demandIndependent(documents.map { Recording($0) })
            let result = judge(documents, expected, bounds)
            var failed = false
            for (format, path) in write.map({ ($0.format, Optional($0.path)) }) + [(format, output)] {
                // One that cannot be written takes the others with it no more than it takes the result.
                do { try OutputFile.write(try format.render(result), to: path, inputs: inputs) } catch let error as OutputError {
                    Failures.say(error.description)
                    failed = true
                }
            }
            if failed { throw ExitCode(2) }
            if result.exitStatus != 0 { throw ExitCode(result.exitStatus) }
        }
    }

    /// Options that were given and play no part, with the reason.
    private func idleOptions(isStatistical: Bool) -> [String] {
        var notes: [String] = []
        if tolerance != nil, budget != nil {
            notes.append("--tolerance plays no part: the budget says what is allowed")
        } else if tolerance != nil, isStatistical {
            notes.append("--tolerance plays no part: it is for one recording beside one")
        }
        if confidence != nil, !isStatistical { notes.append("--confidence plays no part: it is for more than two recordings") }
        return notes
    }

    private func judge(_ documents: [ReportDocument], _ baseline: Baseline?, _ budget: Budget?) -> CheckResult {
        var options = Check.Options()
        if let confidence { options.confidence = confidence / 100 }
        if let tolerance { options.tolerance = tolerance / 100 }
        options.forcesComparison = forceCompare
        let check = Check(recordings: documents.map { Recording($0) }, options: options)
        var result = CheckResult(
            tool: "lazytlb \(lazytlbVersion)", recordings: documents.map(\.trace.path), baseline: self.baseline, budget: self.budget)
        if let baseline {
            let comparable = check.comparable(baseline)
            result.findings.append(comparable)
            if forceCompare { result.notes.append(comparable.reason) }
            if comparable.outcome == .passed {
                result.notes.append(check.method(baseline, budget))
                result.notes += idleOptions(isStatistical: check.isStatistical(baseline))
                result.findings += budget.map { check.againstBudget($0, baseline) } ?? check.againstBaseline(baseline)
            } else if var budget {
                budget.bounds.removeAll { $0.needsBaseline }
                result.findings += check.againstBudget(budget, nil)
            }
        } else if let budget {
            result.findings += check.againstBudget(budget, nil)
        }
        if conform { result.findings += documents.map { KernelChecks.conform($0, limits: budget?.evidence ?? EvidenceLimits()) } }
        if noExtraIPIs { result.findings += documents.map(KernelChecks.noExtraIPIs) }
        if noStaleActiveMM { result.findings += documents.map(KernelChecks.noStaleActiveMM) }
        result.conclude()
        return result
    }
}

/// A format and where to write it: `junit=check.xml`.
struct FormattedFile {
    var format: CheckFormat
    var path: String

    init(_ argument: String) throws {
        let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2, let format = CheckFormat(rawValue: parts[0]) else {
            throw ValidationError("expected FORMAT=FILE, as junit=check.xml; formats are \(CheckFormat.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self.format = format
        path = parts[1]
    }
}

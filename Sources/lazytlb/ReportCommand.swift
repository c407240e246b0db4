import ArgumentParser
import Glibc
import Report
import TraceData
import TraceForms

struct ReportCommand: ParsableCommand {
    enum Format: String, Choice { case text, json, html }

    static let configuration = CommandConfiguration(
        commandName: "report", _superCommandName: programName,
        abstract: "Replay traces through the lazy-TLB schemes and report what sets the schemes apart.",
        discussion: """
            Several traces give one report each; JSON has them in an array, HTML on one page, each with a picture of its timeline. Exit status: 0 fine, 2 if a trace could not be read, or, \
            with --keep-going, not all of it. docs/reading-a-report.md explains the sections.
            """)

    @Argument(help: ArgumentHelp("\(traceHelp)", valueName: "trace"))
    var traces: [String]

    @Option(help: "text, json or html (a page that needs nothing beside it).")
    var format = Format.text

    @Option(name: [.short, .long], help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"))
    var output: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("List the first divergences of each pair of schemes, so many or all.", valueName: "number|all"), transform: DivergenceLimit.init)
    var divergences: DivergenceLimit?

    @OptionGroup var reading: TraceReport

    func validate() throws { try demandOneStandardInput(traces) }

    func run() throws {
        try Failures.handle {
            var reports: [Report] = []
            var failed = false
            try reading.checkKernel()
            try OutputFile.demandPlaces([output], inputs: traces)
            for path in traces {
                do {
                    let report = try report(TraceInput(path), number: reports.count)
                    reports.append(report)
                    if !report.document.problems.isEmpty { failed = true }
                } catch let error as TraceError {
                    // The other traces' reports are not lost.
                    Failures.say(error.description)
                    failed = true
                }
            }
            if !reports.isEmpty { try write(reports) }
            if failed { throw ExitCode(2) }
        }
    }

    private typealias Report = (document: ReportDocument, picture: String?)

    /// A report, and where the format has one, a picture of what the oldest scheme would have had loaded: where it differs from CR3 is what the schemes differ in most.
    private func report(_ input: TraceInput, number: Int) throws -> Report {
        try reading.withTrace(input) { file in
            let document = try reading.document(file, divergences: divergences?.limit)
            guard format == .html else { return (document, nil) }
            var maker = TimelineMaker(scheme: RecordedKernel.schemes.first, evidence: reading.evidence, kernel: reading.kernel)
            if document.trace.whole != nil { (maker.from, maker.to) = (document.trace.startNS, document.trace.startNS + document.trace.durationNS) }
            return (document, try maker.picture(file, prefix: "p\(number)"))
        }
    }

    private func write(_ reports: [Report]) throws {
        let text =
            switch format {
            case .json: try renderJSON(reports.map(\.document), asArray: traces.count > 1)
            case .html: renderHTML(reports, divergenceLimit: .max)
            case .text: renderTexts(reports.map(\.document))
            }
        try OutputFile.write(text, to: output, inputs: traces)
    }

    private func renderTexts(_ documents: [ReportDocument]) -> String {
        let style = output == nil || output == "-" ? TextStyle.forDescriptor(STDOUT_FILENO) : TextStyle()
        return documents.map { renderText($0, style: style, divergenceLimit: .max) }.joined(separator: "\n\n")
    }
}

/// How many divergences of each pair of schemes to list: a number, or all.
struct DivergenceLimit {
    var limit: Int

    init(_ argument: String) throws {
        if argument == "all" {
            limit = .max
        } else {
            guard let number = Int(argument), number >= 0 else { throw ValidationError("expected a number from 0 on, or all") }
            limit = number
        }
    }
}

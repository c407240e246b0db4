import ArgumentParser
import Glibc
import Report
import TraceData

struct ReportCommand: ParsableCommand {
    enum Format: String, Choice { case text, json }

    static let configuration = CommandConfiguration(
        commandName: "report", _superCommandName: programName,
        abstract: "Replay traces through the lazy-TLB schemes and report what sets the schemes apart.",
        discussion: """
            Several traces give one report each; JSON has them in an array. Exit status: 0 fine, 2 if a trace could not be read, or, \
            with --keep-going, not all of it. docs/reading-a-report.md explains the sections.
            """)

    @Argument(help: ArgumentHelp("\(traceHelp)", valueName: "trace"))
    var traces: [String]

    @Option(help: "text or json.")
    var format = Format.text

    @Option(name: [.short, .long], help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("List the first divergences of each pair of schemes, so many or all.", valueName: "number|all"), transform: DivergenceLimit.init)
    var divergences: DivergenceLimit?

    @OptionGroup var reading: TraceReport

    func validate() throws { try demandOneStandardInput(traces) }

    func run() throws {
        try Failures.handle {
            var documents: [ReportDocument] = []
            var failed = false
            try reading.checkKernel()
            try OutputFile.demandPlaces([output], inputs: traces)
            for path in traces {
                do {
                    let document = try reading.document(path, divergences: divergences?.limit)
                    documents.append(document)
                    if !document.problems.isEmpty { failed = true }
                } catch let error as TraceError {
                    // The other traces' reports are not lost.
                    Failures.say(error.description)
                    failed = true
                }
            }
            if !documents.isEmpty { try write(documents) }
            if failed { throw ExitCode(2) }
        }
    }

    private func write(_ documents: [ReportDocument]) throws {
        switch format {
        case .json: try OutputFile.write(renderJSON(documents, asArray: traces.count > 1), to: output, inputs: traces)
        case .text:
            let style = output == nil || output == "-" ? TextStyle.forDescriptor(STDOUT_FILENO) : TextStyle()
            let texts = documents.map { renderText($0, style: style, divergenceLimit: .max) }
            try OutputFile.write(texts.joined(separator: "\n\n"), to: output, inputs: traces)
        }
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

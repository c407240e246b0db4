import ArgumentParser

struct ReportCommand: ParsableCommand {
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
    var format = ReportFormat.text

    @Option(name: [.short, .long], help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"))
    var output: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("List the first divergences of each pair of schemes, so many or all.", valueName: "number|all"), transform: DivergenceLimit.init)
    var divergences: DivergenceLimit?

    @OptionGroup var options: TraceOptions

    func validate() throws { try demandOneStandardInput(traces) }

    func run() throws { try ReportRun(traces: traces, format: format, output: output, divergences: divergences?.limit, reading: options.reading).run() }
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

import ArgumentParser
import Checks
import Report

struct DiffCommand: ParsableCommand {
    enum Format: String, Choice { case text, json }

    static let configuration = CommandConfiguration(
        commandName: "diff", _superCommandName: programName,
        abstract: "Show in which metrics two traces, reports or baselines differ, the most relevant first.",
        discussion: "Exit status, as of diff(1): 0 no differences, 1 some, 2 trouble; 3 if records are missing on a side, so that neither is known.")

    @Argument(help: ArgumentHelp("A trace, a report or a baseline, a file or a pipe, - for standard input.", valueName: "a"))
    var left: String

    @Argument(help: ArgumentHelp("The same.", valueName: "b"))
    var right: String

    @Option(help: "How to write the differences.")
    var format = Format.text

    @Option(name: [.short, .long], help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"))
    var output: String?

    @OptionGroup var options: TraceOptions

    func validate() throws { try demandOneStandardInput([left, right]) }

    func run() throws {
        try Failures.handle {
            let reading = options.reading
            try reading.checkKernel()
            try OutputFile.demandPlaces([output], inputs: [left, right])
            let sides = try CheckInput.sides(left, right, reading)
            let diff = Diff(left, sides.left, right, sides.right)
            try OutputFile.write(format == .json ? try diff.json() : diff.text(), to: output, inputs: [left, right])
            if diff.exitStatus != 0 { throw ExitCode(diff.exitStatus) }
        }
    }
}

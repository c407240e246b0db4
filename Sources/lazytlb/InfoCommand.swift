import ArgumentParser
import Glibc
import Report
import TraceData
import TraceForms

struct InfoCommand: ParsableCommand {
    enum Format: String, Choice { case text, json }

    static let configuration = CommandConfiguration(
        commandName: "info", _superCommandName: programName,
        abstract: "Tell what a trace has: kernel, clock, CPUs, buffers, events, and what was lost.",
        discussion: "JSON has one object a trace, each on a line of its own. Exit status: 0 fine, 2 if a trace could not be read, or, with --keep-going, not all of it.")

    @Argument(help: ArgumentHelp("\(traceHelp)", valueName: "trace"))
    var traces: [String]

    @Option(help: "The buffer whose records are counted, by its name (default: the top one).")
    var buffer: String?

    @Option(help: "text or json.")
    var format = Format.text

    @Flag(help: "Tell what can be read of a damaged trace.")
    var keepGoing = false

    func validate() throws { try demandOneStandardInput(traces) }

    func run() throws {
        try Failures.handle {
            try OutputFile.demandPlaces([nil], inputs: traces)
            let writer = ByteWriter(descriptor: STDOUT_FILENO)
            var isFirst = true
            try Failures.handleEach(traces) { path in
                let file = try openTrace(path, options: TraceFile.Options(buffer: buffer, keepGoing: keepGoing))
                let info = TraceInfo(file, try TraceSummary(file))
                switch format {
                case .text:
                    if !isFirst { writer.byte(10) }
                    writer.string(info.text())
                case .json:
                    info.json(to: writer)
                }
                isFirst = false
                try writer.finish()
                return file.problems
            }
        }
    }
}

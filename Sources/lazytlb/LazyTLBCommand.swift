import ArgumentParser
import Glibc
import Report

/// The version of the program, as `--version` and the reports tell it.
let lazytlbVersion = "0.1.0"

/// What may be given as a trace (docs/inputs.md).
let traceHelp = "Traces: trace.dat, perf.data, ftrace's text or folders of raw pages; - for standard input."

/// The command line: parse arguments, wire the stages, map failures to exit statuses.
@main
struct LazyTLBCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lazytlb",
        abstract: "Replay recorded Linux kernel traces through the x86 lazy-TLB schemes.",
        version: lazytlbVersion,
        subcommands: [
            RecordCommand.self, TasksCommand.self,
            ReportCommand.self, TimelineCommand.self, CheckCommand.self, BaselineCommand.self, DiffCommand.self, EventsCommand.self, InfoCommand.self,
        ])

    static func main() {
        Interruption.takeStandardDescriptors()
        Interruption.prepare()
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            // A bad command line has the status of bad input; the parser's own would be that of sysexits.h.
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            // It may have several lines, and repeats what stands on the command line.
            Failures.show("lazytlb: " + message(for: error).split(separator: "\n").map { printable(String($0)) }.joined(separator: "\n"))
            let usage = fullMessage(for: error).split(separator: "\n").first { $0.hasPrefix("Usage: ") }
            if let usage { Failures.show(String(usage)) }
            Glibc.exit(2)
        }
    }
}

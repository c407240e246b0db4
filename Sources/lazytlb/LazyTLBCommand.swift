import ArgumentParser
import Glibc
import Report

/// The version of the program, as `--version` and the reports tell it.
let lazytlbVersion = "0.1.0"

/// The program, of which each command is a part even if it is parsed by itself (``LazyTLBCommand/parseAlone()``).
let programName = "lazytlb"

/// What may be given as a trace (docs/inputs.md).
let traceHelp = "Traces: trace.dat, perf.data, ftrace's text or folders of raw pages; - for standard input."

/// Refuses standard input a second time: there would be nothing left of it.
func demandOneStandardInput(_ traces: [String]) throws {
    if traces.count(where: { $0 == "-" }) > 1 { throw ValidationError("standard input (-) can be read once only") }
}

/// The command line: parse arguments, wire the stages, map failures to exit statuses.
@main
struct LazyTLBCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: programName,
        abstract: "Replay recorded Linux kernel traces through the x86 lazy-TLB schemes.",
        version: lazytlbVersion,
        subcommands: [
            RecordCommand.self, TasksCommand.self,
            ReportCommand.self, TimelineCommand.self, CheckCommand.self, BaselineCommand.self, DiffCommand.self, EventsCommand.self, InfoCommand.self, VerifyCommand.self,
        ])

    static func main() {
        Interruption.takeStandardDescriptors()
        Interruption.prepare()
        refuseUnreadableArguments()
        refuseOptionsWithoutValue()
        refuseHelpForNothing()
        do {
            if let report = reportOfTracesAlone() { return try report.run() }
            var command = try parseAlone() ?? parseAsRoot()
            try command.run()
        } catch {
            let code = exitCode(for: error)
            // Help and the version. The parser's own way to write them knows neither pipes nor full disks.
            if code == .success { show(fullMessage(for: error)) }
            // A bad command line has the status of bad input; the parser's own would be that of sysexits.h.
            guard code == .validationFailure else { exit(withError: error) }
            // It may have several lines, and repeats what stands on the command line.
            Failures.show("lazytlb: " + message(for: error).split(separator: "\n").map { printable(String($0)) }.joined(separator: "\n"))
            let usage = fullMessage(for: error).split(separator: "\n").first { $0.hasPrefix("Usage: ") }
            if let usage { Failures.show(String(usage)) }
            Glibc.exit(2)
        }
    }

    /// Writes a text to standard output, if there is any, and ends the program.
    private static func show(_ text: String) -> Never {
        do throws(OutputError) {
            if !text.isEmpty { try OutputFile.write(text + "\n", to: nil) }
            Glibc.exit(0)
        } catch {
            Failures.say(error.description)
            Glibc.exit(2)
        }
    }

    /// Of `--output=` the parser would take the next argument for the value: of `--output=$FILE`, with nothing in FILE, a trace, which would be written over.
    private static func refuseOptionsWithoutValue() {
        for argument in CommandLine.arguments.dropFirst().prefix(while: { $0 != "--" }) {
            guard argument.hasPrefix("-"), argument.firstIndex(of: "=") == argument.indices.last else { continue }
            Failures.say("\(argument) has no value")
            Glibc.exit(2)
        }
    }

    /// Of a name that is no command's the parser would show the help of the whole program, as if all were well.
    private static func refuseHelpForNothing() {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.first == "help", let name = arguments.dropFirst().first, !name.hasPrefix("-"), name != "help", command(named: name) == nil else { return }
        Failures.say("help: no such command: \(printable(name))")
        Glibc.exit(2)
    }

    private static func command(named name: String) -> (any ParsableCommand.Type)? { configuration.subcommands.first { $0.configuration.commandName == name } }

    /// `report` with nothing but names of traces behind it: there is nothing to parse, and the parser would take an eighth of the start for it, most of which goes into looking for what
    /// each option's type can do (docs/performance.md).
    private static func reportOfTracesAlone() -> ReportRun? {
        let traces = Array(CommandLine.arguments.dropFirst(2))
        guard CommandLine.arguments.dropFirst().first == ReportCommand.configuration.commandName, !traces.isEmpty, !traces.contains(where: { $0.hasPrefix("-") }) else { return nil }
        return ReportRun(traces: traces)
    }

    /// The command that the first argument names, parsed as if there were no others, which takes half the time. nil if nothing comes of it: what to say then, ``parseAsRoot(_:)`` knows.
    private static func parseAlone() -> (any ParsableCommand)? {
        let arguments = CommandLine.arguments.dropFirst()
        guard let name = arguments.first, let command = command(named: name) else { return nil }
        // Asked for help, the parser answers with a command of its own.
        guard let parsed = try? command.parseAsRoot(Array(arguments.dropFirst())), type(of: parsed) == command else { return nil }
        return parsed
    }

    /// Arguments are texts from here on, in which bytes that are no UTF-8 would become others: another file would be read or written, another command recorded.
    private static func refuseUnreadableArguments() {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[index] else { return }
            if String(validatingCString: argument) != nil { continue }
            let bytes = UnsafeBufferPointer(start: UnsafeRawPointer(argument).assumingMemoryBound(to: UInt8.self), count: strlen(argument))
            let shown = bytes.map { byte in
                0x20..<0x7f ~= byte ? String(UnicodeScalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
            Failures.say("argument \(index) is not valid UTF-8: \(shown.joined()); a symbolic link can give a file another name")
            Glibc.exit(2)
        }
    }
}

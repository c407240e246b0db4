import ArgumentParser
import Glibc
import Report
import Synchronization
import Verification

struct VerifyCommand: ParsableCommand {
    enum Format: String, Choice { case text, json }

    static let configuration = CommandConfiguration(
        commandName: "verify", _superCommandName: programName,
        abstract: "Try the schemes on all histories of a small machine: what holds always, and how they differ.",
        discussion: """
            All states that the machine can get into are visited, so that what holds in them holds in histories of any length. \
            Exit status: 0 all holds, 1 something that must not be is reached. docs/verify.md tells what is looked at.
            """)

    @Option(parsing: .unconditional, help: ArgumentHelp("CPUs of the machine, 2 to 4.", valueName: "number"))
    var cpus = 2

    @Option(parsing: .unconditional, help: ArgumentHelp("User mms, 1 to 3.", valueName: "number"))
    var mms = 2

    @Option(parsing: .unconditional, help: ArgumentHelp("Only histories of up to so many steps (default: all).", valueName: "steps"))
    var length: Int?

    @Option(help: "text or json.")
    var format = Format.text

    @Option(name: [.short, .long], help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"))
    var output: String?

    @Flag(help: "Show no progress (which is shown on a terminal only).")
    var quiet = false

    func validate() throws {
        let limits = Exploration.limits
        guard limits.cpus.contains(cpus) else { throw ValidationError("--cpus: expected \(limits.cpus.lowerBound) to \(limits.cpus.upperBound)") }
        guard limits.mms.contains(mms) else { throw ValidationError("--mms: expected \(limits.mms.lowerBound) to \(limits.mms.upperBound)") }
        // Three CPUs and one mm have 2,784,402 states, and take ten minutes.
        if length == nil, cpus > 3 || cpus == 3 && mms > 1 { throw ValidationError("--length: needed for more than 3 CPUs with one mm, or 2 with any: there are too many states") }
        if let length, length < 1 { throw ValidationError("--length: expected a number from 1 on") }
    }

    func run() throws {
        try Failures.handle {
            var out = try OutputFile(path: output, inputs: [])
            let progress = Progress()
            let line = ProgressLine(quiet: quiet) { _ in "\(progress.states.load(ordering: .relaxed)) states, \(progress.transitions.load(ordering: .relaxed)) transitions" }
            let exploration = Exploration(cpus: cpus, mms: mms, length: length) { states, transitions in
                progress.states.store(states, ordering: .relaxed)
                progress.transitions.store(transitions, ordering: .relaxed)
            }
            line?.end()
            let style = output == nil || output == "-" ? TextStyle.forDescriptor(STDOUT_FILENO) : TextStyle()
            try out.write(format == .json ? exploration.json() : exploration.text(style))
            try out.finish()
            if !exploration.violations.isEmpty { throw ExitCode(1) }
        }
    }

    private final class Progress: Sendable {
        let states = Atomic(0)
        let transitions = Atomic(0)
    }
}

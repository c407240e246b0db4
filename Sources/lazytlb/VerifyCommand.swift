import ArgumentParser
import Glibc
import Report
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

    @Option(help: ArgumentHelp("CPUs of the machine, 2 to 4.", valueName: "number"))
    var cpus = 2

    @Option(help: ArgumentHelp("User mms, 1 to 3.", valueName: "number"))
    var mms = 2

    @Option(help: ArgumentHelp("Only histories of up to so many steps (default: all).", valueName: "steps"))
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
        if let length, length < 1 { throw ValidationError("--length: expected a number from 1 on") }
    }

    func run() throws {
        try Failures.handle {
            try OutputFile.demandPlaces([output], inputs: [])
            let shows = !quiet && TextStyle.obeys(STDERR_FILENO)
            let exploration = Exploration(cpus: cpus, mms: mms, length: length) { states, steps in
                if shows { ByteWriter.put("\r\(states) states, \(steps) steps\u{1b}[K", to: STDERR_FILENO) }
            }
            if shows { ByteWriter.put("\r\u{1b}[K", to: STDERR_FILENO) }
            let style = output == nil || output == "-" ? TextStyle.forDescriptor(STDOUT_FILENO) : TextStyle()
            try OutputFile.write(format == .json ? exploration.json() : exploration.text(style), to: output)
            if !exploration.violations.isEmpty { throw ExitCode(1) }
        }
    }
}

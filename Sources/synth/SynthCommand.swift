import ArgumentParser
import Foundation
import TraceSynth
import TraceWriting

extension Mix: ExpressibleByArgument {}
extension TraceFileVersion: ExpressibleByArgument {}

@main
struct SynthCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tools/synth",
        abstract: "Write a synthetic recording, and what a report of it must give.",
        discussion: """
            A machine with a v4.13 kernel, at random. The same options give the same file. The CPUs' data is collected in unnamed files beside \
            the output first: so much more space is needed meanwhile.
            """)

    @Option(name: [.short, .long], help: ArgumentHelp("The trace.dat file to write.", valueName: "file"))
    var output: String

    @Option(help: ArgumentHelp("Write the true answers to this file, as JSON (default: standard output).", valueName: "file"))
    var answers: String?

    @Option(parsing: .unconditional, help: "Records.")
    var events = 100_000

    @Option(parsing: .unconditional, help: "CPUs, 2 to 512.")
    var cpus = 4

    @Option(parsing: .unconditional, help: "User tasks alive at once.")
    var tasks = 64

    @Option(help: ArgumentHelp("What the machine does: \(Mix.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "mix"))
    var mix = Mix.half

    @Option(parsing: .unconditional, help: "Where the random numbers start.")
    var seed: UInt64 = 1

    @Option(parsing: .unconditional, help: ArgumentHelp("v6, uncompressed, or v7, compressed with zstd.", valueName: "version"))
    var fileVersion = TraceFileVersion.v6

    func run() throws {
        var options = SynthOptions()
        options.seed = seed
        options.mix = mix
        options.cpus = cpus
        options.events = events
        options.tasks = tasks
        options.version = fileVersion
        let truth = try synthesize(options, to: output)
        if let answers {
            // Not atomically: the file would take the place of a device.
            try truth.json.write(toFile: answers, atomically: false, encoding: .utf8)
        } else {
            print(truth.json, terminator: "")
        }
    }
}

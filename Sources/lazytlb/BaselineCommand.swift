import ArgumentParser
import Checks
import Report

struct BaselineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "baseline", _superCommandName: programName,
        abstract: "Write what is expected of a workload: the metrics of some recordings of it.",
        discussion: """
            Takes traces and reports (report --format json), all of one workload. The file is small and meant to be reviewed and kept with the \
            kernel's tests; `lazytlb check --baseline` reads it. docs/ci.md explains it.
            """)

    @Argument(help: ArgumentHelp("Traces or reports, files or pipes, - for standard input; the more the better.", valueName: "trace"))
    var traces: [String]

    @Option(name: [.short, .long], help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"))
    var output: String?

    @Flag(help: "Write a baseline of recordings that are not comparable with each other, too.")
    var forceCompare = false

    @OptionGroup var options: TraceOptions

    func run() throws {
        try Failures.handle {
            let reading = options.reading
            try reading.checkKernel()
            try CheckInput.demandDifferent(traces)
            try OutputFile.demandPlaces([output], inputs: traces)
            var recordings: [Recording] = []
            for path in traces { recordings += try CheckInput.documents(path, reading).map { Recording($0) } }
            try CheckInput.demandIndependent(recordings)
            for (index, recording) in recordings.enumerated() {
                let reasons = Comparability.reasons(recording, besideThoseBefore: Array(recordings[..<index]))
                guard !reasons.isEmpty else { continue }
                for reason in reasons { Failures.say("\(recording.path): not of one workload with those before it: \(reason)") }
                if !forceCompare { throw Failures.fail("no baseline was written; --force-compare writes it nevertheless") }
            }
            // Whatever is checked by it would be inconclusive.
            let incomplete = recordings.filter { $0.missingRecords != nil }
            for recording in incomplete { Failures.say("\(recording.path): \(recording.missingRecords ?? "")") }
            if !incomplete.isEmpty, !reading.keepGoing { throw Failures.fail("no baseline was written; --keep-going writes it nevertheless") }
            try OutputFile.write(Baseline(tool: "lazytlb \(lazytlbVersion)", recordings: recordings).json(), to: output, inputs: traces)
            if !incomplete.isEmpty { throw ExitCode(2) }
        }
    }
}

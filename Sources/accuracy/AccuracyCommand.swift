import AccuracyKit
import ArgumentParser
import Foundation
import Reconstruction
import TraceData

extension EvidenceLevel: ExpressibleByArgument {}

@main
struct AccuracyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tools/accuracy",
        abstract: "Measure inferred mms against the probe events of the same recording.",
        discussion: """
            A table in Markdown, a row for each file and evidence level. Shares are of what is not reported unknown; what is unknown stands \
            beside them. The counters of each scheme are compared with those of a replay with probe events.
            """)

    @Argument(help: ArgumentHelp("Recordings with probe events.", valueName: "trace"))
    var traces: [String]

    @Option(help: ArgumentHelp("no-probes, no-clone-flags or switches-only; can be given more than once (default: all three).", valueName: "level"))
    var evidence: [EvidenceLevel] = []

    @Flag(help: "Below the table, tell the mms that are wrong most often, and where the first such switch is.")
    var verbose = false

    @Flag(help: "Exit with status 1 if a recording misses the floors.")
    var check = false

    func validate() throws {
        if evidence.contains(.all) { throw ValidationError("--evidence: all uses the probe events themselves") }
    }

    func run() throws {
        var table = Table()
        var mistakes: [String] = []
        var missed: [String] = []
        var unreadable = false
        for path in traces {
            do {
                let file = try TraceFile(path: path)
                guard let truth = try Truth(file) else {
                    say("\(path): no probe events to measure against")
                    continue
                }
                for level in evidence.isEmpty ? [.noProbes, .noCloneFlags, .switchesOnly] : evidence {
                    let measured = try Measurement(file, level, against: truth)
                    let name = String(path.split(separator: "/").last ?? "")
                    table.add(row(name, measured))
                    mistakes += describe(name, measured, truth)
                    let floors = Floors(level, release: file.kernelRelease)
                    missed += floors.missed(by: measured.accuracy).map { "\(path): \(level.rawValue): \($0)" }
                }
            } catch {
                say("\(error)")
                unreadable = true
            }
        }
        print(table.text, terminator: "")
        if verbose { mistakes.forEach { print($0) } }
        if unreadable { throw ExitCode(2) }
        if check, !missed.isEmpty {
            missed.forEach(say)
            throw ExitCode(1)
        }
    }

    private func say(_ message: String) { FileHandle.standardError.write(Data("accuracy: \(message)\n".utf8)) }
}

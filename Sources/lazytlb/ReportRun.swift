import ArgumentParser
import Glibc
import Report
import TraceData
import TraceForms

enum ReportFormat: String, Choice { case text, json, html }

/// What `lazytlb report` does, however it was told to.
struct ReportRun {
    let traces: [String]
    var format = ReportFormat.text
    /// nil for standard output.
    var output: String?
    /// How many of each pair of schemes to list; nil to count them only.
    var divergences: Int?
    var reading = TraceReport()

    func run() throws {
        try Failures.handle {
            var reports: [Report] = []
            var failed = false
            try reading.checkKernel()
            try OutputFile.demandPlaces([output], inputs: traces)
            for path in traces {
                do {
                    let report = try report(TraceInput(path), number: reports.count)
                    reports.append(report)
                    if !report.document.problems.isEmpty { failed = true }
                } catch let error as TraceError {
                    // The other traces' reports are not lost.
                    Failures.say(error.description)
                    failed = true
                }
            }
            if !reports.isEmpty { try write(reports) }
            if failed { throw ExitCode(2) }
        }
    }

    private typealias Report = (document: ReportDocument, picture: String?)

    /// A report, and where the format has one, a picture of what the oldest scheme would have had loaded: where it differs from CR3 is what the schemes differ in most.
    private func report(_ input: TraceInput, number: Int) throws -> Report {
        try reading.withTrace(input) { file in
            let document = try reading.document(file, divergences: divergences)
            guard format == .html else { return (document, nil) }
            var maker = TimelineMaker(scheme: RecordedKernel.schemes.first, evidence: reading.evidence, kernel: reading.kernel)
            if document.trace.whole != nil { (maker.from, maker.to) = (document.trace.startNS, document.trace.startNS + document.trace.durationNS) }
            return (document, try maker.picture(file, prefix: "p\(number)"))
        }
    }

    private func write(_ reports: [Report]) throws {
        let text =
            switch format {
            case .json: try renderJSON(reports.map(\.document), asArray: traces.count > 1)
            case .html: renderHTML(reports, divergenceLimit: .max)
            case .text: renderTexts(reports.map(\.document))
            }
        try OutputFile.write(text, to: output, inputs: traces)
    }

    private func renderTexts(_ documents: [ReportDocument]) -> String {
        let style = output == nil || output == "-" ? TextStyle.forDescriptor(STDOUT_FILENO) : TextStyle()
        return documents.map { renderText($0, style: style, divergenceLimit: .max) }.joined(separator: "\n\n")
    }
}

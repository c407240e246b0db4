import ArgumentParser
import Checks
import Glibc
import Report
import TraceForms

/// What baseline, check and diff take as recordings: traces, or reports that were written with `report --format json`.
enum CheckInput {
    /// Refuses a file that is given twice, by whatever name: it would count for two recordings that agree in everything.
    static func demandDifferent(_ paths: [String]) throws {
        struct File: Hashable {
            var device: dev_t
            var number: ino_t
        }
        var known: [File: String] = [:]
        for path in paths {
            var status = stat()
            // What is not there is an error of its own.
            guard (path == "-" ? fstat(STDIN_FILENO, &status) : stat(path, &status)) == 0 else { continue }
            guard let other = known.updateValue(path, forKey: File(device: status.st_dev, number: status.st_ino)) else { continue }
            let name = other == path ? "" : ", the other time as \(other)"
            throw DocumentError(path: path, cause: "given twice\(name): several recordings must be independent of each other")
        }
    }

    /// Refuses recordings of which one is another one: a copy of its file, or its report.
    static func demandIndependent(_ recordings: [Recording]) throws {
        for (index, recording) in recordings.enumerated() {
            guard let other = recordings[..<index].first(where: { $0.isSameRecording(as: recording) }) else { continue }
            let which = other.path == recording.path ? "the same recording twice" : "the same recording as \(other.path)"
            throw DocumentError(path: recording.path, cause: "\(which): several recordings must be independent of each other")
        }
    }

    /// The report of a trace, with as many deviations from its scheme as asked for, or those of a report file.
    static func documents(_ path: String, _ reading: TraceReport, deviations: Int? = nil) throws -> [ReportDocument] {
        let input = try TraceInput(path)
        guard let text = try jsonText(input) else { return [try reading.document(input, deviations: deviations)] }
        return try reports(text, path, reading)
    }

    /// The recordings of two traces, report files or baselines.
    static func sides(_ left: String, _ right: String, _ reading: TraceReport) throws -> (left: [Recording], right: [Recording]) {
        let inputs = (left: try TraceInput(left), right: try TraceInput(right))
        let texts = (try jsonText(inputs.left), try jsonText(inputs.right))
        // Beside a baseline an option is for the trace, as in a check; here there is none.
        if texts.0 != nil, texts.1 != nil { try refuseOptions(left, reading) }
        func recordings(_ input: TraceInput, _ text: String?) throws -> [Recording] {
            guard let text else { return [Recording(try reading.document(input))] }
            if isBaseline(text) { return try Baseline(text: text, path: input.path).recordings }
            return try reports(text, input.path, reading).map { Recording($0) }
        }
        return (try recordings(inputs.left, texts.0), try recordings(inputs.right, texts.1))
    }

    /// What is made already does not change by how a trace would be read.
    private static func refuseOptions(_ path: String, _ reading: TraceReport) throws {
        let options = reading.optionsForTraces
        guard let last = options.last else { return }
        let named = options.count > 1 ? "\(options.dropLast().joined(separator: ", ")) and \(last) are" : "\(last) is"
        throw DocumentError(
            path: path, cause: "\(named) for traces, and this was made of one already, without \(options.count > 1 ? "them" : "it"): give \(options.count > 1 ? "them" : "it") where it is made")
    }

    private static func reports(_ text: String, _ path: String, _ reading: TraceReport) throws -> [ReportDocument] {
        if isBaseline(text) { throw DocumentError(path: path, cause: "a baseline, where a trace or a report was expected") }
        try refuseOptions(path, reading)
        do {
            let documents = try readReports(json: text.utf8)
            guard !documents.isEmpty else { throw DocumentError(path: path, cause: "there is no report in it") }
            for document in documents {
                for problem in document.problems { Failures.say("\(path): report on \(document.trace.path): \(problem.place)\(problem.cause)") }
            }
            return documents
        } catch let error as ReportReadingError {
            throw DocumentError(path: path, cause: error.description)
        }
    }

    private static func isBaseline(_ text: String) -> Bool { text.prefix(200).contains("\"lazytlb-baseline\"") }

    /// The text of what begins like JSON; nil for what may be a trace.
    private static func jsonText(_ input: TraceInput) throws -> String? {
        guard try input.beginsLikeJSON() else { return nil }
        guard let bytes = try input.bytes(limit: mostBytes) else { throw tooLarge(input.path) }
        return try text(bytes, input.path)
    }

    private static func tooLarge(_ path: String) -> DocumentError {
        DocumentError(path: path, cause: "more than a gibibyte: neither a baseline, a budget nor a report")
    }

    private static func text(_ bytes: [UInt8], _ path: String) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw DocumentError(path: path, cause: "not a text: its bytes are no UTF-8") }
        return text
    }

    /// No baseline and no budget, and no report that is not a wrong file, is as large.
    private static let mostBytes = 1 << 30

    /// The text of a file, of what a shell gives as one, `<(…)`, or of standard input, `-`.
    static func text(_ path: String) throws -> String {
        func problem(_ cause: String) -> DocumentError { DocumentError(path: path, cause: cause) }
        let descriptor = path == "-" ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw problem(errno == ENOENT ? "no such file" : "cannot be read: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw problem(errno == EISDIR ? "a folder, not a file" : "cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes += piece[..<count]
            guard bytes.count <= mostBytes else { throw tooLarge(path) }
        }
        return try text(bytes, path)
    }
}

extension ReportDocument.Problem {
    /// Where in the trace, with a colon; empty if that has no place in it.
    fileprivate var place: String { line.map { "line \($0): " } ?? offset.map { "at byte \($0): " } ?? "" }
}

import ArgumentParser
import Glibc
import Report
import TraceData
import TraceForms

extension EventLines.Format: Choice {}

struct EventsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", _superCommandName: programName,
        abstract: "Print the decoded records, one line each, in the order of time.",
        discussion: """
            Text has the form of `trace-cmd report -R -t`; JSON has one object a line. Where events were lost, a line of its own \
            says so. Of several traces each begins with a line of # and its path; JSON has that in each object. Exit status: 0 fine, 2 if a trace could not be \
            read, or, with --keep-going, not all of it.
            """)

    @Argument(help: ArgumentHelp("\(traceHelp)", valueName: "trace"))
    var traces: [String]

    @Option(help: "The buffer to read, by its name (default: the top one).")
    var buffer: String?

    @Option(help: "text or json.")
    var format = EventLines.Format.text

    @Option(parsing: .unconditionalSingleValue, help: ArgumentHelp("Only records of these CPUs, e.g. 0,2-3. Can be given several times.", valueName: "list"), transform: CPUList.init)
    var cpu: [CPUList] = []

    @Option(help: ArgumentHelp("Only records of this event, e.g. sched_switch. Can be given several times.", valueName: "name"))
    var event: [String] = []

    @Flag(help: "Show no progress (which is shown on a terminal only).")
    var quiet = false

    @Flag(help: "Print what can be read of a damaged trace, and list what cannot on stderr.")
    var keepGoing = false

    func validate() throws { try demandOneStandardInput(traces) }

    func run() throws {
        try Failures.handle {
            try OutputFile.demandPlaces([nil], inputs: traces)
            let writer = ByteWriter(descriptor: STDOUT_FILENO)
            try Failures.handleEach(traces) { path in
                let progress = ReadingProgress()
                let line = ProgressLine(progress, quiet: quiet, outputTo: STDOUT_FILENO)
                defer { line?.end() }
                let file = try openTrace(path, options: TraceFile.Options(buffer: buffer, keepGoing: keepGoing, progress: progress))
                file.willBeRead(times: 1)
                // What was printed before an error is part of the answer.
                defer { writer.flush() }
                try print(file, to: writer)
                try writer.finish()
                return file.problems
            }
        }
    }

    private func print(_ file: TraceFile, to writer: ByteWriter) throws {
        let wanted = try ids(file)
        let cpus = try CPUList.union(cpu, in: file)
        let lines = EventLines(file, format, to: writer, path: traces.count > 1 ? file.path : nil)
        var names = CommTable(file)
        var merge = RecordMerge(file)
        var record = Record.none
        while try merge.next(&record) {
            let isShown =
                (cpus?.contains(Int(record.cpu)) ?? true) && (record.kind == .lost || wanted?.contains(record.eventID) ?? true)
            if isShown {
                lines.write(record, comm: names.name(record.pid))
                if writer.failure != nil { return }
            }
            names.update(record)
        }
    }

    /// The ids of the events that were asked for; nil for all.
    private func ids(_ file: TraceFile) throws -> Set<UInt16>? {
        guard !event.isEmpty else { return nil }
        var ids: Set<UInt16> = []
        for name in event {
            let found = file.formats.events.filter { $0.name == name || "\($0.system):\($0.name)" == name }
            guard !found.isEmpty else { throw TraceError(path: file.path, cause: "the file declares no event \"\(name)\"") }
            for one in found { ids.insert(UInt16(one.id)) }
        }
        return ids
    }
}

import ArgumentParser
import Glibc
import Recording
import Report
import TraceData
import TraceWriting

struct RecordCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "record", _superCommandName: programName,
        abstract: "Record what the replay needs from the running kernel.",
        discussion: """
            Records the run of a command, or for --seconds, or until Ctrl-C, into a trace.dat file that trace-cmd and KernelShark read, too. It needs root, \
            or rights on tracefs. Exit status: 0 recorded, whatever the command's own status, 2 not. docs/recording.md explains it.
            """)

    enum Compression: String, Choice { case zstd, none }

    @Option(name: [.short, .long], help: ArgumentHelp("The file to write (default: trace.dat).", valueName: "file"))
    var output: String?

    @Flag(help: "Write no file: show a summary once a second, and a report at the end.")
    var live = false

    @Option(parsing: .unconditional, help: ArgumentHelp("Record so long; a command that still runs then is ended.", valueName: "number"))
    var seconds: Double?

    @Option(parsing: .unconditional, help: ArgumentHelp("The ring buffer of each CPU in KiB, or with M or G behind it (default: by the memory, 8M at most).", valueName: "size"))
    var bufferSize: ByteSize?

    @Option(help: ArgumentHelp("The clock of the records (default: the best that is one for all CPUs).", valueName: "name"))
    var clock: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("6 or 7.", valueName: "version"))
    var fileVersion = 7

    @Option(help: "zstd or none; version 6 has none (default: zstd).")
    var compression: Compression?

    @Flag(help: "Add probe events that tell every mm exactly, where the kernel allows it.")
    var probes = false

    @Option(help: ArgumentHelp("The kernel's types, for --probes (default: the running kernel's, /sys/kernel/btf/vmlinux).", valueName: "file"))
    var btf: String?

    @Flag(inversion: .prefixedNo, help: "Write the tasks that exist at the start into the trace.")
    var tasks = true

    @Flag(inversion: .prefixedNo, help: "Run on each CPU once at the start, which shows what it has loaded.")
    var visit = true

    @Option(help: ArgumentHelp("Where tracefs is mounted (default: where the system says).", valueName: "folder"))
    var tracefs: String?

    @Flag(help: "Say nothing but what is wrong.")
    var quiet = false

    @Argument(parsing: .postTerminator, help: ArgumentHelp("Behind --: a command to run, and its arguments.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        if let seconds, !(seconds > 0) { throw ValidationError("--seconds is a number above 0") }
        if let seconds, seconds > 1e9 { throw ValidationError("--seconds is at most 1000000000") }
        guard fileVersion == 6 || fileVersion == 7 else { throw ValidationError("--file-version is 6 or 7") }
        if fileVersion == 6, compression == .zstd { throw ValidationError("version 6 of trace.dat has no compression") }
        if btf != nil, !probes { throw ValidationError("--btf is for --probes") }
        if live, output != nil { throw ValidationError("--live writes no file: leave out -o, or --live") }
        if output == "" { throw ValidationError("-o names a file") }
        if let output, Self.isPipe(output) { throw ValidationError("\(printable(output)): \(Self.unseekable)") }
        if output == "-" { throw ValidationError("a trace.dat file cannot be written to standard output: -o names a file") }
    }

    private var version: TraceFileVersion { fileVersion == 6 ? .v6 : compression == Compression.none ? .v7none : .v7 }

    func run() throws {
        try Failures.handle {
            do {
                try record()
            } catch let error as RecordingError {
                throw Failures.fail(error.description)
            }
        }
    }

    private func record() throws {
        var options = RecordingOptions()
        let output = output ?? "trace.dat"
        options.folder = live ? Self.temporaryFolder : folder(of: output)
        options.drainsEachSecond = live
        options.command = command
        options.seconds = seconds
        options.bufferKiB = bufferSize?.kibibytes
        options.clock = clock
        options.takesTasks = tasks
        options.visitsCPUs = visit
        options.usesProbes = probes
        options.btf = btf
        options.program = lazytlbVersion
        let recorder = try Recorder(try TraceFS(path: tracefs), options)
        for event in recorder.events.missing { Failures.say("the kernel has no \(event.description): \(event.cost)") }
        for warning in recorder.clock.warnings { Failures.say(warning) }
        if let refused = recorder.probesRefused { Failures.say("recording without probes: \(refused)") }
        for probe in recorder.probes?.missing ?? [] { Failures.say(probe.description) }
        if live { return try show(recorder, options) }
        // Before anything is recorded: if it cannot be written, that is known now.
        let file = try OutputFile(path: output)
        guard lseek(file.fileDescriptor, 0, SEEK_CUR) >= 0 else { throw Failures.fail("\(printable(output)): \(Self.unseekable)") }
        let line = RecordingLine(quiet: quiet, hasCommand: !command.isEmpty)
        let recorded = try recorder.run(
            removeFiles: { TemporaryFiles.removeAll() }, say: { line.clear(); Failures.say($0) },
            status: { status, _ in
                line.show(status)
                return true
            })
        line.clear()
        for remark in recorded.remarks { Failures.say(remark) }
        do { try recorded.write(to: file.fileDescriptor, version: version, folder: options.folder) } catch {
            throw Failures.fail("\(printable(output)): \(error.description)")
        }
        try file.finish()
        recorder.admitSignals()
        if recorded.lost > 0 {
            Failures.say("\(recorded.lost) events are lost; the report counts what that leaves unknown. Larger buffers may help: --buffer-size, now \(recorder.bufferKiB) KiB")
        }
        if !quiet { Failures.show("lazytlb: \(RecordingLine.text(recorded.seconds)) recorded: \(recorded.events) events, \(recorded.lost) lost, in \(printable(output))") }
    }

    /// --live: a summary each second, and in the end the report on all that was recorded.
    private func show(_ recorder: Recorder, _ options: RecordingOptions) throws {
        let view = LiveView(folder: options.folder)
        let recorded = try recorder.run(removeFiles: {}, say: { Failures.say($0) }, status: { view.show($0, $1) })
        view.end()
        if let problem = view.problem { Failures.say("a summary could not be made: \(problem.description)") }
        for remark in recorded.remarks { Failures.say(remark) }
        // Nor can the report be.
        if let failure = view.failure { throw failure }
        let file: Int32
        do { file = try unnamedFile(in: options.folder) } catch { throw Failures.fail(error.description) }
        defer { close(file) }
        try recorded.write(to: file, version: .v6, folder: options.folder)
        let document = try TraceReport(quiet: quiet).document(try TraceFile(descriptor: file, path: "the live recording"))
        let text = renderText(document, style: TextStyle.forDescriptor(STDOUT_FILENO), divergenceLimit: 0)
        // Whoever reads it may take his time.
        recorder.admitSignals()
        try OutputFile.write(text, to: nil)
    }

    /// A trace.dat file is not written from its begin to its end.
    private static let unseekable = "a trace.dat file cannot be written to a pipe, a socket or a terminal"

    /// Opening a pipe would wait for its reader.
    private static func isPipe(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && [S_IFIFO, S_IFSOCK].contains(status.st_mode & S_IFMT)
    }

    /// For files without a name: where large ones may be.
    private static var temporaryFolder: String {
        let named = getenv("TMPDIR").map { String(cString: $0) } ?? ""
        let folder = named.isEmpty ? "/var/tmp" : named
        return folder.hasSuffix("/") ? folder : folder + "/"
    }

    /// With a slash at its end.
    private func folder(of path: String) -> String { path.lastIndex(of: "/").map { String(path[...$0]) } ?? "./" }
}

/// A size as 4096 (KiB), 4096K, 8M or 1G.
struct ByteSize: ExpressibleByArgument {
    var kibibytes: Int

    init?(argument: String) {
        let units: [Character: Int] = ["K": 1, "k": 1, "M": 1 << 10, "m": 1 << 10, "G": 1 << 20, "g": 1 << 20]
        let unit = argument.last.flatMap { units[$0] }
        guard let number = Int(unit == nil ? argument : String(argument.dropLast())), number > 0 else { return nil }
        let (size, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
        guard !overflow, size <= 1 << 32 else { return nil }
        kibibytes = size
    }
}

/// A line on the terminal that tells how a recording goes; not while a command writes there.
final class RecordingLine {
    private let isShown: Bool
    private var isThere = false

    init(quiet: Bool, hasCommand: Bool) { isShown = !quiet && !hasCommand && TextStyle.obeys(STDERR_FILENO) }

    func show(_ status: RecordingStatus) {
        guard isShown else { return }
        isThere = true
        let size = Double(status.size) / 1e6
        put("\rrecording: \(RecordingLine.text(status.seconds)), \(Int(size)).\(Int(size * 10) % 10) MB, \(status.lost) lost; Ctrl-C ends it\u{1b}[K")
    }

    func clear() {
        if isThere { put("\r\u{1b}[K") }
        isThere = false
    }

    static func text(_ seconds: Double) -> String {
        let hundredths = Int((seconds * 100).rounded())
        return "\(hundredths / 100).\(hundredths / 10 % 10)\(hundredths % 10) s"
    }

    private func put(_ text: String) { ByteWriter.put(text, to: STDERR_FILENO) }
}

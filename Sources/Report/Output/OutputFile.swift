import Glibc

/// Why a report could not be written.
public struct OutputError: Error, Equatable, CustomStringConvertible {
    /// The file as the user named it; nil is standard output.
    public var path: String?
    /// What was tried, as "create a file beside it".
    public var operation: String
    /// The errno that it gave; nil where nothing was tried.
    public var code: Int32?

    public var description: String {
        "\(path.map(printable) ?? "standard output"): cannot \(operation)\(code.map { ": \(String(cString: strerror($0)))" } ?? "")"
    }
}

/// Where output goes: standard output, or a file that appears only when it is whole.
///
/// A regular file is written without a name, or where the file system cannot do that beside its place, and gets its name when ``finish()`` is called:
/// so nobody ever sees half a report, a report that was there stays until then, and a program that is killed leaves nothing behind. What
/// exists and is not a regular file (a device, a pipe) is written in place.
///
/// A reader that goes away (EPIPE, as with `| head`) is no error: ``readerIsGone`` becomes true and what follows is dropped. To
/// learn of it, SIGPIPE is ignored from the first `OutputFile` on; a program that starts others sets it back for them.
public struct OutputFile: ~Copyable {
    private var descriptor: Int32
    private let path: String?
    /// What is written until it takes the file's place; nil if the output goes there directly, or has no name yet.
    private var temporary: String?
    /// The output has no name yet.
    private var isUnnamed = false
    private let destination: String
    private var buffer: [UInt8] = []
    /// The other end of the pipe was closed: there is no use in writing more.
    public private(set) var readerIsGone = false

    private static let bufferSize = 1 << 16

    /// Opens the output. `nil` and "-" mean standard output.
    ///
    /// - Parameter inputs: files that are read, "-" for standard input; an output in the place of one of them is an error.
    public init(path: String?, inputs: [String] = []) throws(OutputError) {
        signal(SIGPIPE, SIG_IGN)
        guard let path, path != "-" else {
            self.path = nil
            destination = ""
            descriptor = STDOUT_FILENO
            try Self.refuseStandardOutput(inputs)
            return
        }
        self.path = path
        // Through a symbolic link to the file it names: renaming would replace the link.
        destination = target(path)
        var status = stat()
        let exists = stat(destination, &status) == 0
        let isRegular = status.st_mode & S_IFMT == S_IFREG
        descriptor = -1
        if path.isEmpty { throw Self.nameless }
        if !exists, symbolicLink(destination) != nil { throw OutputError(path: path, operation: "open it for writing", code: ELOOP) }
        if isRegular || !exists { try Self.refuse(path, at: Self.place(destination), exists ? status : nil, inputs) }
        if exists, !isRegular {
            descriptor = open(destination, O_WRONLY | O_CLOEXEC)
            if descriptor < 0 { throw OutputError(path: path, operation: "open it for writing", code: errno) }
            return
        }
        let folder = parent(destination)
        descriptor = open(folder.isEmpty ? "." : String(folder), O_WRONLY | OutputFile.unnamed | O_CLOEXEC, 0o666)
        isUnnamed = descriptor >= 0
        var attempt = 0
        while descriptor < 0, attempt == 0 || errno == EEXIST, attempt < 100 {
            let name = OutputFile.temporaryName(in: folder)
            descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            temporary = name
            attempt += 1
            if descriptor >= 0 { TemporaryFiles.add(name) }
        }
        if descriptor < 0 {
            let code = errno
            temporary = nil
            throw OutputError(path: path, operation: "create a file beside it", code: code)
        }
        if exists { _ = fchmod(descriptor, status.st_mode & 0o777) }
    }

    /// O_TMPFILE of include/uapi/asm-generic/fcntl.h on x86, a macro that is not imported.
    private static let unnamed: Int32 = 0o20000000 | O_DIRECTORY

    private static func temporaryName(in folder: Substring) -> String { "\(folder).lazytlb-\(getpid())-\(UInt32.random(in: 0 ... .max))" }

    /// Gives the output a name beside its place: a link cannot take the place of a file that is there, but a renamed file can.
    private mutating func link() throws(OutputError) {
        var attempt = 0
        repeat {
            let name = OutputFile.temporaryName(in: parent(destination))
            if linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0 {
                (temporary, isUnnamed) = (name, false)
                TemporaryFiles.add(name)
                return
            }
            attempt += 1
        } while errno == EEXIST && attempt < 100
        throw OutputError(path: path, operation: "give the new file a name", code: errno)
    }

    /// Where a ``ByteWriter`` may write to instead; it is to be flushed before ``finish()``.
    public var fileDescriptor: Int32 { descriptor }

    /// Adds text. It is on its way only after ``finish()``.
    public mutating func write(_ text: String) throws(OutputError) {
        try write(bytes: text.utf8)
    }

    /// Adds bytes.
    public mutating func write(bytes: some Sequence<UInt8>) throws(OutputError) {
        guard !readerIsGone else { return }
        buffer.append(contentsOf: bytes)
        if buffer.count >= Self.bufferSize { try flush() }
    }

    /// Hands on everything that was written so far.
    public mutating func flush() throws(OutputError) {
        let writer = ByteWriter(descriptor: descriptor)
        buffer.withUnsafeBytes { writer.bytes($0) }
        writer.flush()
        switch writer.failure {
        case nil: break
        case .brokenPipe: readerIsGone = true
        case .failed(let code):
            buffer = []
            throw OutputError(path: path, operation: "write", code: code)
        }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Writes what is left, and puts the file into its place.
    public consuming func finish() throws(OutputError) {
        try flush()
        guard path != nil else { return }
        if isUnnamed || temporary != nil {
            // Some file systems tell of a full disk only here.
            if fsync(descriptor) != 0, errno != EINVAL, errno != EROFS {
                throw OutputError(path: path, operation: "write", code: errno)
            }
        }
        if isUnnamed { try link() }
        if let temporary {
            if rename(temporary, destination) != 0 {
                throw OutputError(path: path, operation: "rename the new file to it", code: errno)
            }
            TemporaryFiles.forget(temporary)
            self.temporary = nil
        }
        let closing = descriptor
        descriptor = -1
        if close(closing) != 0, errno != EINTR { throw OutputError(path: path, operation: "close it", code: errno) }
    }

    deinit {
        if path != nil, descriptor >= 0 { close(descriptor) }
        if let temporary {
            unlink(temporary)
            TemporaryFiles.forget(temporary)
        }
    }

    /// Refuses, before anything is read, outputs in the place of an input, and two outputs in one place, as standard output is one, by whatever name. Else what is no
    /// regular file may be written to several times.
    ///
    /// - Parameters:
    ///   - outputs: as the user named them; nil and "-" are standard output.
    ///   - inputs: files that are read, "-" for standard input.
    public static func demandPlaces(_ outputs: [String?], inputs: [String]) throws(OutputError) {
        var places: Set<Place> = []
        var standard = stat()
        let hasStandard = fstat(STDOUT_FILENO, &standard) == 0
        for path in outputs {
            guard let path, path != "-" else {
                if !places.insert(.standardOutput).inserted { throw twice(nil) }
                try refuseStandardOutput(inputs)
                continue
            }
            if path.isEmpty { throw nameless }
            let destination = target(path)
            var status = stat()
            let exists = stat(path, &status) == 0
            if !exists || status.st_mode & S_IFMT == S_IFREG { try refuse(path, at: place(destination), exists ? status : nil, inputs) }
            if exists, hasStandard, status.st_dev == standard.st_dev, status.st_ino == standard.st_ino, status.st_rdev != nowhere {
                if !places.insert(.standardOutput).inserted { throw twice(path) }
                continue
            }
            if exists, status.st_mode & S_IFMT != S_IFREG { continue }
            let place = exists ? Place.file(device: status.st_dev, number: status.st_ino) : Place.name(Self.place(destination))
            if !places.insert(place).inserted { throw twice(path) }
        }
    }

    /// The device number of /dev/null (Documentation/admin-guide/devices.txt: 1, 3), which keeps nothing apart, and need not.
    private static let nowhere: dev_t = 0x103

    private static func twice(_ path: String?) -> OutputError { OutputError(path: path, operation: "write two outputs to the same file") }

    private static var nameless: OutputError { OutputError(path: "''", operation: "write to a file without a name") }

    /// A file that is there, or the name of one to come.
    private enum Place: Hashable {
        case file(device: dev_t, number: ino_t)
        case name(String)
        case standardOutput
    }

    /// Refuses standard output that the shell has opened on an input: `>>a.dat`.
    private static func refuseStandardOutput(_ inputs: [String]) throws(OutputError) {
        var status = stat()
        guard fstat(STDOUT_FILENO, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return }
        try refuse(nil, at: resolved("/proc/self/fd/\(STDOUT_FILENO)") ?? "", status, inputs)
    }

    /// Where a file without symbolic links on its way is, or will be.
    private static func place(_ destination: String) -> String {
        let folder = String(parent(destination))
        return (resolved(folder.isEmpty ? "." : folder) ?? folder) + "/" + destination.dropFirst(folder.count)
    }

    /// Refuses an output in the place of an input, or inside of a folder that is one.
    ///
    /// - Parameter status: nil if there is no such file yet.
    private static func refuse(_ path: String?, at place: String, _ status: stat?, _ inputs: [String]) throws(OutputError) {
        for input in inputs {
            var read = stat()
            guard (input == "-" ? fstat(STDIN_FILENO, &read) : stat(input, &read)) == 0 else { continue }
            if let status, status.st_dev == read.st_dev, status.st_ino == read.st_ino { throw OutputError(path: path, operation: "write to a file that is being read") }
            guard read.st_mode & S_IFMT == S_IFDIR, let folder = resolved(input == "-" ? "/proc/self/fd/\(STDIN_FILENO)" : input) else { continue }
            if place.hasPrefix(folder + "/") { throw OutputError(path: path, operation: "write into a folder that is being read") }
        }
    }

    /// Writes a whole text to a file, or to standard output.
    public static func write(_ text: String, to path: String?, inputs: [String] = []) throws(OutputError) {
        var output = try OutputFile(path: path, inputs: inputs)
        try output.write(text)
        try output.finish()
    }
}

/// The path without symbolic links; nil if there is no such file.
private func resolved(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
}

/// Where a path leads: of a file its path without symbolic links; else the name of the one to come, which links may lead to as well. A link still where there are too many.
private func target(_ path: String) -> String {
    if let resolved = resolved(path) { return resolved }
    var status = stat()
    // What links of /proc name has no path: /dev/stdout may be a pipe.
    if stat(path, &status) == 0 { return path }
    var place = path
    // The kernel follows no more than this (MAXSYMLINKS, include/linux/namei.h).
    for _ in 0..<40 {
        guard let link = symbolicLink(place) else { return place }
        place = link.hasPrefix("/") ? link : parent(place) + link
    }
    return place
}

/// What a symbolic link names; nil of all else.
private func symbolicLink(_ path: String) -> String? {
    var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(path, &bytes, bytes.count)
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
}

/// Everything up to the last slash, and with it.
private func parent(_ path: String) -> Substring {
    path.lastIndex(of: "/").map { path[...$0] } ?? ""
}

import Glibc
import TraceData
import TraceWriting

/// Opens a trace in any form in which ftrace's data comes, which its first bytes tell: a trace.dat file, ftrace's text, perf.data, or a folder with raw
/// sub-buffers. All but the first are turned into a trace.dat file without a name in $TMPDIR (/tmp if there is none).
///
/// - Parameters:
///   - path: of a file, a pipe or a folder; "-" for standard input.
///   - kernel: the recorded kernel's release or scheme, where the user tells it.
/// - Throws: ``TraceError``, which names the place in the trace itself and not in what it was turned into.
public func openTrace(_ path: String, options: TraceFile.Options = TraceFile.Options(), kernel: String? = nil) throws(TraceError) -> TraceFile {
    try openTrace(TraceInput(path), options: options, kernel: kernel)
}

/// The same of what is open already, and of which nothing was taken.
public func openTrace(_ source: TraceInput, options: TraceFile.Options = TraceFile.Options(), kernel: String? = nil) throws(TraceError) -> TraceFile {
    defer { withExtendedLifetime(source) {} }
    let (path, descriptor, isFile, size, input) = (source.path, source.descriptor, source.isFile, source.size, source.input)
    if source.isFolder {
        if let data = perfData(in: path) { return try openTrace(data, options: options, kernel: kernel) }
        var folder = PageFolder(path, kernel: kernel)
        let (converted, origin) = try folder.convert(options.progress)
        return try open(converted, path, options, origin)
    }
    options.progress?.expect(conversion: size)
    defer { options.progress?.converted(size) }
    input.tell(options.progress)
    let start = try input.peek(4096)
    if start.isEmpty { throw TraceError(path: path, offset: 0, cause: "the file is empty") }
    if start.starts(with: [0x17, 0x08, 0x44]) || start.count < 3 && start.elementsEqual([0x17, 0x08, 0x44].prefix(start.count)) {
        let file = isFile ? descriptor : try input.spool()
        defer { if file != descriptor { close(file) } }
        return try TraceFile(descriptor: file, path: path, options: options)
    }
    if PerfHeader.isOne(start) {
        let file = isFile ? descriptor : try input.spool()
        defer { if file != descriptor { close(file) } }
        let (converted, origin) = try PerfConversion(try MappedFile(descriptor: file, path: path), options, kernel: kernel).run()
        return try open(converted, path, options, origin)
    }
    if let one = compressions.first(where: { start.dropFirst($0.offset).starts(with: $0.magic) }) {
        throw TraceError(path: path, cause: "compressed with \(one.name): `\(one.reader) FILE | lazytlb COMMAND -` reads what is in it")
    }
    guard try isText(input) else {
        if isPerfScript(start) { throw TraceError(path: path, cause: "the text of perf script, which is not read: give the perf.data that it was made of") }
        throw TraceError(path: path, offset: 0, cause: "not a trace: neither trace.dat, perf.data nor ftrace's text; it begins with \(quoted(start, limit: 32))")
    }
    let (converted, origin) = try TextConversion(input, options, kernel: kernel).run()
    return try open(converted, path, options, origin)
}

/// The file in a folder that perf made: all of `perf record --kcore`, which puts the kernel's code beside it; of --threads the head alone. nil if it is none.
private func perfData(in folder: String) -> String? {
    let path = folder.hasSuffix("/") ? "\(folder)data" : "\(folder)/data"
    guard let (descriptor, _) = try? Folder.open(path) else { return nil }
    defer { close(descriptor) }
    let input = ByteInput(path: path, descriptor: descriptor)
    guard let start = try? input.peek(8) else { return nil }
    return withExtendedLifetime(input) { PerfHeader.isOne(start) } ? path : nil
}

/// What a file as a whole may be compressed with, by its first bytes, and what prints what is in it. (bzip2's "BZh" could begin a text: a block has six digits of pi.)
private let compressions: [(offset: Int, magic: [UInt8], name: String, reader: String)] = [
    (0, [0x1f, 0x8b], "gzip", "zcat"), (0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], "xz", "xzcat"), (0, [0x28, 0xb5, 0x2f, 0xfd], "zstd", "zstdcat"),
    (4, [0x31, 0x41, 0x59, 0x26, 0x53, 0x59], "bzip2", "bzcat"),
]

/// Opens what a trace was turned into.
private func open(_ descriptor: Int32, _ path: String, _ options: TraceFile.Options, _ origin: TraceOrigin) throws(TraceError) -> TraceFile {
    defer { close(descriptor) }
    var options = options
    options.origin = origin
    // It has no other than the one that was asked for.
    if origin.form == .text { options.buffer = nil }
    return try TraceFile(descriptor: descriptor, path: path, options: options)
}

/// A line has a CPU, a time and an event with its system, as perf script prints them: `bash   100 [000]   100.000004: tlb:tlb_flush: `.
private func isPerfScript(_ start: UnsafeRawBufferPointer) -> Bool {
    start.split(separator: 10).contains { line in
        guard let open = line.firstIndex(of: UInt8(ascii: "[")) else { return false }
        var cursor = TextCursor(line[open...].endPointer - (line.endIndex - open) + 1, line.endPointer)
        guard cursor.decimal() != nil, cursor.take("] ") else { return false }
        cursor.skipSpaces()
        guard cursor.decimal() != nil, cursor.take(UInt8(ascii: ".")), cursor.decimal() != nil, cursor.take(": ") else { return false }
        cursor.skipSpaces()
        let event = UnsafeRawBufferPointer(start: cursor.next, count: cursor.count).prefix { $0 > 0x20 }
        return event.last == UInt8(ascii: ":") && event.dropLast().contains(UInt8(ascii: ":"))
    }
}

/// One of the first lines is one of ftrace's text.
private func isText(_ input: ByteInput) throws(TraceError) -> Bool {
    let start = try input.peek(256 << 10)
    var header = TextHeader()
    var column: Int?
    for line in start.split(separator: 10, maxSplits: 200).prefix(200) {
        let line = UnsafeRawBufferPointer(rebasing: line)
        if line.starts(with: "# tracer:".utf8) { return true }
        if line.first == UInt8(ascii: "#") { continue }
        if case .nothing = header.take(line) {
            do throws(LineHead.Fault) {
                _ = try LineHead(line, column: &column)
                return true
            } catch {
                if case .noHead = error { continue }
                return true
            }
        }
        return true
    }
    return false
}

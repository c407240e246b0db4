import Glibc

/// A trace.dat file on its way: the records of each CPU, and in the end the file that holds them, with what its container says of them.
///
/// Each CPU has a file without a name in the folder of the file to be, so that all can be written at once. Memory: two blocks of some 64 KiB for each CPU.
public final class TraceDraft {
    private let version: TraceFileVersion
    private let compressor: Compressor?
    private let spools: [Spool]
    public let cpus: [SubbufferWriter]

    /// - Parameter path: of the file to be; its folder must have room for the records twice.
    public init(beside path: String, version: TraceFileVersion, cpus count: Int) throws(WritingError) {
        self.version = version
        compressor = version == .v7 ? Compressor() : nil
        // One file for each CPU, and a few more.
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(7), &limit)
        limit.rlim_cur = min(limit.rlim_max, max(limit.rlim_cur, rlim_t(count + 64)))
        setrlimit(__rlimit_resource_t(7), &limit)
        let folder = path.contains("/") ? String(path[..<path.lastIndex(of: "/")!]) + "/" : "./"
        var spools: [Spool] = []
        for _ in 0..<count { spools.append(try Spool(folder: folder, compressor: compressor)) }
        self.spools = spools
        cpus = spools.map { SubbufferWriter($0) }
    }

    /// Takes the sub-buffers of a CPU as they lie in a file, behind what was written of it before. The file is empty afterwards; it stays the caller's.
    public func append(subbuffers file: Int32, size: UInt64, cpu: Int) throws(WritingError) {
        try cpus[cpu].finish()
        try spools[cpu].append(file, size: size)
    }

    /// Writes a file of version 6 from sub-buffers that lie in files, and stay there: of each CPU a part of one, nil if it has none.
    ///
    /// - Parameter file: empty, and can be sought.
    public static func write(_ container: TraceContainer, cpus: [(file: Int32, offset: UInt64, size: UInt64)?], to file: Int32) throws(WritingError) {
        try writeAll(file, container.version6(sizes: cpus.map { $0?.size ?? 0 }))
        for case .some(let part) in cpus {
            var offset = off_t(part.offset)
            let end = offset + off_t(part.size)
            while offset < end {
                let count = sendfile(file, part.file, &offset, min(Int(end - offset), 1 << 30))
                guard count > 0 else { throw WritingError(errno: "copying what was recorded") }
            }
        }
    }

    /// Ends the records and writes the file, which gets its name when it is whole.
    public func write(_ container: TraceContainer, to path: String) throws(WritingError) {
        let draft = path + ".part"
        let file = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw WritingError(errno: draft) }
        defer { close(file) }
        try write(container, to: file)
        guard rename(draft, path) == 0 else { throw WritingError(errno: path) }
    }

    /// Ends the records and writes the file to a descriptor that can be sought.
    public func write(_ container: TraceContainer, to file: Int32) throws(WritingError) {
        for cpu in cpus { try cpu.finish() }
        let sizes = spools.map(\.size)
        if version == .v6 {
            // The CPUs' data follows.
            try writeAll(file, container.version6(sizes: sizes))
            for spool in spools { try spool.move(to: file) }
            return
        }
        let (head, offsets) = try container.version7(sizes: sizes, compressor: compressor)
        try writeAll(file, head)
        for (spool, offset) in zip(spools, offsets) {
            guard lseek(file, off_t(offset), SEEK_SET) >= 0 else { throw WritingError(errno: "seeking") }
            if compressor != nil { try writeAll(file, withUnsafeBytes(of: spool.chunks.littleEndian) { Array($0) }) }
            try spool.move(to: file)
        }
    }
}

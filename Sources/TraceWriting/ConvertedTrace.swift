import Glibc

/// A trace.dat file of version 6 that is made from something else, in a file without a name.
///
/// How many CPUs there are shows at the end only, and there may be thousands. So the sub-buffers of all go into one file in the order in which they fill,
/// and at the end each CPU's together into another one. Memory: one sub-buffer for each CPU, and two bytes for each sub-buffer that is written.
public final class ConvertedTrace {
    /// $TMPDIR, else /tmp; with a slash at its end.
    public static var folder: String {
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? ""
        return folder.isEmpty ? "/tmp/" : folder.hasSuffix("/") ? folder : folder + "/"
    }

    public let geometry: SubbufferGeometry
    private let pool: Pool
    /// By CPU; nil for one without records.
    private var writers: [SubbufferWriter?] = []

    public init(_ geometry: SubbufferGeometry) throws(WritingError) {
        self.geometry = geometry
        pool = Pool(file: try unnamedFile(in: Self.folder), size: geometry.size)
    }

    /// What takes the records of a CPU, which is a number below 65536.
    public func writer(cpu: Int) -> SubbufferWriter {
        if writers.count <= cpu { writers += [SubbufferWriter?](repeating: nil, count: cpu + 1 - writers.count) }
        if let writer = writers[cpu] { return writer }
        let writer = SubbufferWriter(CPUSink(pool: pool, cpu: UInt16(cpu)), geometry: geometry, atOnce: 1)
        writers[cpu] = writer
        return writer
    }

    /// Ends the records and writes the file.
    ///
    /// - Parameter cpus: CPUs of the machine, where that is known; there are at least those that have records.
    /// - Returns: a descriptor that belongs to the caller.
    public func finish(_ container: TraceContainer, cpus: Int) throws(WritingError) -> Int32 {
        for writer in writers { try writer?.finish() }
        var sizes = [UInt64](repeating: 0, count: max(cpus, writers.count))
        for cpu in pool.cpus { sizes[Int(cpu)] += UInt64(geometry.size) }
        let file = try unnamedFile(in: Self.folder)
        do throws(WritingError) {
            let head = container.version6(sizes: sizes)
            try writeAll(file, head)
            try pool.sort(into: file, behind: UInt64(head.count), sizes: sizes)
            return file
        } catch {
            close(file)
            throw error
        }
    }

    private final class CPUSink: SubbufferSink {
        let pool: Pool
        let cpu: UInt16

        init(pool: Pool, cpu: UInt16) {
            self.pool = pool
            self.cpu = cpu
        }

        func write(_ subbuffers: UnsafeRawBufferPointer) throws(WritingError) { try pool.add(subbuffers, cpu) }
    }

    /// The sub-buffers of all CPUs.
    private final class Pool {
        private let file: Int32
        private let size: Int
        /// Whose each sub-buffer is.
        private(set) var cpus: [UInt16] = []
        private var buffer: UnsafeMutableRawBufferPointer
        private var fill = 0

        init(file: Int32, size: Int) {
            self.file = file
            self.size = size
            buffer = .allocate(byteCount: max(1, (256 << 10) / size) * size, alignment: 16)
        }

        deinit {
            close(file)
            buffer.deallocate()
        }

        func add(_ subbuffer: UnsafeRawBufferPointer, _ cpu: UInt16) throws(WritingError) {
            if fill == buffer.count { try empty() }
            (buffer.baseAddress! + fill).copyMemory(from: subbuffer.baseAddress!, byteCount: size)
            fill += size
            cpus.append(cpu)
        }

        private func empty() throws(WritingError) {
            try writeAll(file, UnsafeRawBufferPointer(rebasing: buffer[..<fill]))
            fill = 0
        }

        /// Puts each CPU's sub-buffers together: from the end to the start, so that the file gets shorter on the way.
        func sort(into target: Int32, behind start: UInt64, sizes: [UInt64]) throws(WritingError) {
            try empty()
            var ends: [UInt64] = []
            var next = start
            for size in sizes {
                next += size
                ends.append(next)
            }
            // The last CPUs may have none.
            guard ftruncate(target, off_t(next)) == 0 else { throw WritingError(errno: "writing") }
            let atOnce = buffer.count / size
            while !cpus.isEmpty {
                let count = min(atOnce, cpus.count)
                let first = cpus.count - count
                try readAll(UnsafeMutableRawBufferPointer(rebasing: buffer[..<(count * size)]), at: off_t(first) * off_t(size))
                var end = count
                while end > 0 {
                    let cpu = cpus[first + end - 1]
                    var begin = end - 1
                    while begin > 0, cpus[first + begin - 1] == cpu { begin -= 1 }
                    let bytes = UnsafeRawBufferPointer(rebasing: buffer[(begin * size)..<(end * size)])
                    ends[Int(cpu)] -= UInt64(bytes.count)
                    try writeAll(target, bytes, at: off_t(ends[Int(cpu)]))
                    end = begin
                }
                cpus.removeLast(count)
                _ = ftruncate(file, off_t(first) * off_t(size))
            }
        }

        private func readAll(_ bytes: UnsafeMutableRawBufferPointer, at offset: off_t) throws(WritingError) {
            var filled = 0
            while filled < bytes.count {
                let count = pread(file, bytes.baseAddress! + filled, bytes.count - filled, offset + off_t(filled))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw WritingError(errno: "reading a temporary file") }
                filled += count
            }
        }
    }
}

private func writeAll(_ file: Int32, _ bytes: UnsafeRawBufferPointer, at offset: off_t) throws(WritingError) {
    var written = 0
    while written < bytes.count {
        let count = pwrite(file, bytes.baseAddress! + written, bytes.count - written, offset + off_t(written))
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw WritingError(errno: "writing a temporary file") }
        written += count
    }
}

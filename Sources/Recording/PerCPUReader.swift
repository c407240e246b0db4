import CTraceFS
import Glibc
import TraceWriting

/// Moves the sub-buffers of one CPU out of the ring buffer into a file without a name.
///
/// Read at intervals, not when the kernel says that there is something: who sleeps on a buffer has every writer look whether to wake it, and before
/// Linux 6.x a poll(2) is woken for each event. The recorder looks some ten times a second or less, at all CPUs at once.
final class PerCPUReader {
    let cpu: Int
    let file: Int32
    private(set) var size: UInt64 = 0
    private var source: Int32
    private let folder: String
    private let subbuffer: Int
    private let page: UnsafeMutableRawBufferPointer
    private var usesSplice = true

    /// Bytes that are moved at once: as large as a pipe may be without privilege (/proc/sys/fs/pipe-max-size).
    static let pipeSize: Int32 = 1 << 20

    /// Of a CPU that was offline when the instance was made, and still is: its buffer comes with it (ring_buffer_alloc_read_page() and trace_rb_cpu_prepare(),
    /// kernel/trace/ring_buffer.c, v4.14). There is nothing to read yet.
    private static let offline = ENODEV

    /// - Parameters:
    ///   - instance: its path.
    ///   - folder: where the file is to be, with a slash at its end.
    ///   - subbuffer: bytes.
    init(cpu: Int, instance: String, folder: String, subbuffer: Int) throws(RecordingError) {
        self.cpu = cpu
        self.folder = folder
        self.subbuffer = subbuffer
        let path = "\(instance)/per_cpu/cpu\(cpu)/trace_pipe_raw"
        source = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard source >= 0 else { throw RecordingError("cannot read \(path)", code: errno) }
        do throws(RecordingError) {
            file = try converting { () throws(WritingError) in try unnamedFile(in: folder) }
        } catch {
            close(source)
            throw error
        }
        page = .allocate(byteCount: subbuffer, alignment: 16)
    }

    deinit {
        closeSource()
        close(file)
        page.deallocate()
    }

    /// Ends the reading: the instance can be removed only when nobody has a file of it open.
    func closeSource() {
        if source >= 0 { close(source) }
        source = -1
    }

    /// Moves all sub-buffers that are full.
    ///
    /// - Parameters:
    ///   - pipe: to move them through; empty, and empty afterwards.
    ///   - all: the one that is being written, too.
    /// - Returns: bytes moved.
    func drain(_ pipe: Pipe, all: Bool) throws(RecordingError) -> UInt64 {
        let before = size
        while usesSplice, try spliceSome(pipe) {}
        if all || !usesSplice { while try readOne() {} }
        return size - before
    }

    /// False if there is nothing more.
    private func spliceSome(_ pipe: Pipe) throws(RecordingError) -> Bool {
        let count = lazytlb_splice(source, pipe.input, Int(Self.pipeSize), 1)
        if count < 0 {
            switch errno {
            case EAGAIN, EINTR, Self.offline: return false
            case EINVAL, ENOSYS:
                usesSplice = false
                return false
            default: throw RecordingError("reading CPU \(cpu)'s buffer", code: errno)
            }
        }
        var left = count
        while left > 0 {
            let moved = lazytlb_splice(pipe.output, file, left, 0)
            if moved < 0, errno == EINTR { continue }
            guard moved > 0 else { throw full(moved == 0 ? ENOSPC : errno) }
            left -= moved
            size += UInt64(moved)
        }
        return count > 0
    }

    /// One sub-buffer, full or not. False if there is nothing more.
    private func readOne() throws(RecordingError) -> Bool {
        let count = read(source, page.baseAddress, subbuffer)
        if count < 0 {
            if errno == EINTR { return true }
            if errno == EAGAIN || errno == Self.offline { return false }
            throw RecordingError("reading CPU \(cpu)'s buffer", code: errno)
        }
        if count == 0 { return false }
        guard count == subbuffer else { throw RecordingError("CPU \(cpu)'s buffer gave \(count) bytes, not a sub-buffer of \(subbuffer)") }
        var start = 0
        while start < count {
            let written = write(file, page.baseAddress! + start, count - start)
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw full(written == 0 ? ENOSPC : errno) }
            start += written
        }
        size += UInt64(count)
        return true
    }

    private func full(_ code: Int32) -> RecordingError { RecordingError("\(folder): cannot write what was recorded", code: code) }
}

/// A pipe, for splice(2).
final class Pipe {
    let output: Int32
    let input: Int32

    init() throws(RecordingError) {
        var ends: [Int32] = [-1, -1]
        guard lazytlb_pipe(&ends) == 0 else { throw RecordingError("no pipe", code: errno) }
        (output, input) = (ends[0], ends[1])
        // F_SETPIPE_SZ of include/uapi/linux/fcntl.h. Without it a pipe holds 16 pages: slower, and no error.
        _ = fcntl(input, 1031, PerCPUReader.pipeSize)
    }

    deinit {
        close(output)
        close(input)
    }
}

import CTraceFS
import Glibc

/// A ring buffer of our own in tracefs (Documentation/trace/ftrace.rst, "Instances"), with its own events and its own switch.
final class Instance {
    let path: String
    private let handle: OpaquePointer

    init(_ tracefs: TraceFS, name: String) throws(RecordingError) {
        path = "\(tracefs.path)/instances/\(name)"
        guard mkdir(path, 0o750) == 0 else {
            let code = errno
            let hint = code == ENOMEM ? "; there may be too many instances" : code == EPERM ? "; the kernel may be locked down (kernel_lockdown(7))" : ""
            throw RecordingError("cannot make a tracing instance, \(path): \(String(cString: strerror(code)))\(hint)")
        }
        tracefs_set_loglevel(TEP_LOG_NONE)
        guard let handle = tracefs_instance_alloc(tracefs.path, name) else {
            rmdir(path)
            throw RecordingError("cannot use the tracing instance", code: errno)
        }
        self.handle = handle
    }

    deinit { tracefs_instance_free(handle) }

    /// Options that a new instance has from the top level (trace_array_create_systems(), kernel/trace/trace.c), and that must be on: with `overwrite` losses are
    /// marked in the sub-buffers, `markers` lets the snapshot's lines in, `record-cmd` keeps the names of tasks.
    private static let options = ["overwrite", "markers", "record-cmd"]

    /// Everything that is to be set while nothing is recorded. Setting the clock empties the buffers.
    func configure(clock: String, bufferKiB: Int) throws(RecordingError) {
        guard tracefs_trace_off(handle) == 0 else { throw failure("cannot stop tracing in the new instance") }
        for option in Self.options where exists("\(path)/options/\(option)") { try write("options/\(option)", "1") }
        try write("trace_clock", clock)
        let status = tracefs_instance_set_buffer_size(handle, bufferKiB, -1)
        guard status == 0 else {
            throw RecordingError(
                "no memory for buffers of \(bufferKiB) KiB for each CPU: choose less with --buffer-size", code: errno == 0 ? ENOMEM : errno)
        }
    }

    func write(_ file: String, _ text: String) throws(RecordingError) {
        guard tracefs_instance_file_write(handle, file, text) >= 0 else { throw failure("cannot write \(text) to \(path)/\(file)") }
    }

    func text(_ file: String) -> String? {
        var size: Int32 = 0
        guard let content = tracefs_instance_file_read(handle, file, &size) else { return nil }
        defer { free(content) }
        return String(decoding: UnsafeRawBufferPointer(start: content, count: Int(size)), as: UTF8.self)
    }

    /// Returns errno, 0 if the event is on.
    func enable(_ system: String, _ event: String) -> Int32 {
        errno = 0
        return tracefs_event_enable(handle, system, event) == 0 ? 0 : errno == 0 ? EIO : errno
    }

    func start() throws(RecordingError) {
        guard tracefs_trace_on(handle) == 0 else { throw failure("cannot start tracing") }
    }

    func stop() { _ = tracefs_trace_off(handle) }

    private func failure(_ what: String) -> RecordingError {
        let code = errno
        // Its files are for the owner of tracefs to write, whoever made it.
        let hint = code == EACCES ? "; record as root (sudo lazytlb record …)" : ""
        return RecordingError("\(what): \(String(cString: strerror(code)))\(hint)")
    }
}

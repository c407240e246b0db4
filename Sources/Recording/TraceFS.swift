import Glibc

/// Where the kernel's ftrace is: tracefs, and what machine it belongs to.
public struct TraceFS: Sendable {
    /// The mount point, without a slash at its end.
    public let path: String
    /// uname(2)'s machine, as `x86_64`.
    public let machine: String
    /// uname(2)'s release.
    public let release: String

    /// The place where it belongs (Documentation/trace/ftrace.rst).
    static let usual = "/sys/kernel/tracing"

    /// Finds tracefs.
    ///
    /// - Parameter path: where it is; nil to look in the table of mounts.
    public init(path: String? = nil) throws(RecordingError) { try self.init(path: path, mounts: "/proc/mounts") }

    /// - Parameters:
    ///   - mounts: the table of mounts.
    ///   - usual: the folder that a kernel with ftrace has.
    ///   - machine, release: what uname(2) says, if nil.
    init(
        path: String? = nil, mounts: String, usual: String = TraceFS.usual, machine: String? = nil, release: String? = nil
    ) throws(RecordingError) {
        var name = utsname()
        uname(&name)
        self.machine = machine ?? text(of: name.machine)
        self.release = release ?? text(of: name.release)
        let place: String
        if let path { place = path } else { place = try Self.mounted(mounts, usual) }
        self.path = place.count > 1 && place.hasSuffix("/") ? String(place.dropLast()) : place
        try checkAccess()
    }

    private static func mounted(_ mounts: String, _ usual: String) throws(RecordingError) -> String {
        let lines = (SmallFile.text(mounts) ?? "").split(separator: "\n").map { $0.split(separator: " ") }
        if let line = lines.first(where: { $0.count > 2 && $0[2] == "tracefs" }) { return unescaped(line[1]) }
        // Where debugfs is mounted, looking into its folder `tracing` mounts tracefs there.
        if let line = lines.first(where: { $0.count > 2 && $0[2] == "debugfs" }) {
            let path = unescaped(line[1]) + "/tracing"
            if exists(path + "/trace_clock") { return path }
        }
        // A folder for it is there if the kernel has it.
        if exists(usual) {
            throw RecordingError("tracefs is not mounted; as root: mount -t tracefs nodev \(usual)")
        }
        throw RecordingError(
            "no tracefs: this kernel has no ftrace (CONFIG_TRACING), or the container hides /sys/kernel; record on the machine itself")
    }

    /// Spaces and the like are written in octal in the table of mounts.
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(field.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8) {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func checkAccess() throws(RecordingError) {
        let instances = path + "/instances"
        if access(instances, R_OK | W_OK | X_OK) == 0 {
            guard exists(path + "/events") else { throw RecordingError("\(path) is no tracefs: it has no events") }
        } else {
            throw noAccess(errno)
        }
    }

    /// Why the folder of instances cannot be used.
    func noAccess(_ code: Int32) -> RecordingError {
        switch code {
        case EACCES, EPERM:
            RecordingError("no permission for \(path); record as root (sudo lazytlb record …)")
        case EROFS: RecordingError("\(path) is mounted read-only; as root: mount -o remount,rw \(path)")
        case _ where exists(path + "/trace_clock"):
            RecordingError("\(path)/instances cannot be used (\(String(cString: strerror(code)))); recording needs instances, which Linux has since 3.10")
        default: RecordingError("\(path) is no tracefs: it has no instances")
        }
    }

    /// Where the kernel describes an event.
    func format(_ system: String, _ event: String) -> String { "\(path)/events/\(system)/\(event)/format" }

    /// It is a kernel of x86, which alone has the lazy TLB that is replayed.
    var isX86: Bool { machine == "x86_64" || machine.hasPrefix("i") && machine.hasSuffix("86") }
}

/// A field of utsname.
private func text<T>(of field: T) -> String {
    withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

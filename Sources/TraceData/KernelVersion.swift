/// The first two numbers of a kernel release.
public struct KernelVersion: Comparable, Sendable {
    public var major: Int
    public var minor: Int

    public init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// `4.12.4-lab`, `v6.1`; nil for anything that does not begin with two numbers.
    public init?(release: String?) {
        guard let release else { return nil }
        let parts = release.drop { $0 == "v" }.split(separator: ".", maxSplits: 2)
        guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1].prefix { $0.isNumber }) else { return nil }
        self.init(major, minor)
    }

    /// v4.20 to v5.12: on_each_cpu_cond_mask() runs the remote handler of a flush on its sender as well, in task context, when all others have answered (kernel/smp.c; 145f573b89a6 to
    /// 4ce94eabac16). Its REMOTE_SHOOTDOWN record says mostly 0 pages, since the local half has flushed.
    public var repeatsOwnHalf: Bool { self >= KernelVersion(4, 20) && self < KernelVersion(5, 13) }

    public static func < (left: KernelVersion, right: KernelVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }
}

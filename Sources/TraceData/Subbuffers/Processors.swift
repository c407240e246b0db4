import CAffinity
import Dispatch
import Glibc

/// The processors of the machine that the program may run on.
public enum Processors {
    /// How many they are (sched_getaffinity(2)): fewer than the machine has under taskset(1), or in a cpuset of a container.
    public static var count: Int {
        let mask = allowed()
        return mask.isEmpty ? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) : mask.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    /// Starts work on a queue that has no thread yet, and sees to it that the thread does not wait for the caller's processor, if there is another. It may run wherever the caller may.
    ///
    /// The kernel puts a new thread beside its creator unless another processor counts as idle, and there it waits for the creator's time slice to end: most did on the virtual machine of
    /// docs/performance.md, for 2 to 4 ms. An idle virtual processor has been given back to the hypervisor, and what is not there does not count as idle (`available_idle_cpu()`,
    /// kernel/sched/sched.h). Where the kernel puts it elsewhere, there it stays.
    static func startElsewhere(_ queue: DispatchQueue, _ work: @escaping @Sendable () -> Void) {
        let before = threads()
        queue.async(execute: work)
        let cpu = Int(affinity_current())
        // Whoever comes while this is done may be moved as well.
        for thread in threads() where !before.contains(thread) && processor(of: thread) == cpu {
            let mask = allowed()
            var others = without(cpu, mask)
            let near = zip(others, sharingCache(with: cpu)).map { $0 & $1 }
            if near.contains(where: { $0 != 0 }) { others = near }
            guard others.contains(where: { $0 != 0 }) else { return }
            set(thread, others)
            set(thread, mask)
        }
    }

    /// The processor that a thread of the program is on, or waits for; nil if it is gone, or /proc does not say.
    private static func processor(of thread: Int32) -> Int? {
        guard let text = read("/proc/self/task/\(thread)/stat") else { return nil }
        // The 39th field (proc(5)); the second is the thread's name in brackets, and may have anything in it.
        let fields = text[(text.lastIndex(of: UInt8(ascii: ")")) ?? 0)...].split(separator: UInt8(ascii: " "), maxSplits: 38)
        return fields.count > 37 ? Int(String(decoding: fields[37], as: UTF8.self)) : nil
    }

    /// Processors that share the last cache with one, a bit each; none if /sys does not say.
    private static func sharingCache(with cpu: Int) -> [UInt64] { mask(read("/sys/devices/system/cpu/cpu\(cpu)/cache/index3/shared_cpu_list") ?? []) }

    /// A list as 0-3,8 of numbers below 8,192, a bit each.
    static func mask(_ list: [UInt8]) -> [UInt64] {
        var mask = [UInt64](repeating: 0, count: 128)
        for range in list.split(whereSeparator: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\n") }) {
            let ends = range.split(separator: UInt8(ascii: "-")).compactMap { Int(String(decoding: $0, as: UTF8.self)) }
            guard let first = ends.first, let last = ends.last, first <= last, last < mask.count * 64 else { continue }
            for cpu in first...last { mask[cpu / 64] |= 1 << UInt64(cpu % 64) }
        }
        return mask
    }

    /// A short file; nil if it cannot be read.
    private static func read(_ path: String) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        let text = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in count = max(0, Glibc.read(file, buffer.baseAddress!, buffer.count)) }
        return text.isEmpty ? nil : text
    }

    /// Processors but for one, a bit each.
    static func without(_ cpu: Int, _ mask: [UInt64]) -> [UInt64] {
        var others = mask
        if 0..<(mask.count * 64) ~= cpu { others[cpu / 64] &= ~(1 << UInt64(cpu % 64)) }
        return others
    }

    /// Those that the caller's thread may run on, a bit each. Empty if the kernel does not say.
    static func allowed() -> [UInt64] {
        // For 8,192 processors, the most that x86 kernels are built for.
        var mask = [UInt64](repeating: 0, count: 128)
        let bytes = mask.withUnsafeMutableBytes { affinity_get(0, UInt($0.count), $0.baseAddress!) }
        return bytes > 0 ? mask : []
    }

    private static func set(_ thread: Int32, _ mask: [UInt64]) { _ = mask.withUnsafeBytes { affinity_set(thread, UInt($0.count), $0.baseAddress!) } }

    /// The program's threads; none if /proc does not say.
    private static func threads() -> [Int32] {
        guard let folder = opendir("/proc/self/task") else { return [] }
        defer { closedir(folder) }
        var threads: [Int32] = []
        while let entry = readdir(folder) {
            // 0 for the folder itself and the one above.
            let thread = withUnsafePointer(to: &entry.pointee.d_name) { atoi(UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)) }
            if thread > 0 { threads.append(thread) }
        }
        return threads
    }
}

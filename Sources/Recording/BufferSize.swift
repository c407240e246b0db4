import Glibc

/// The size of a CPU's ring buffer.
enum BufferSize {
    /// KiB: 8 MiB, or less where all CPUs together would take more than 1/32 of the memory; 256 KiB at least.
    ///
    /// The buffers are drained some ten times a second: 8 MiB hold what a CPU writes in 100 ms at over a million records a second.
    static func standard(cpus: Int, memory: UInt64 = physicalMemory()) -> Int {
        let share = Int(memory / 32 / 1024) / max(cpus, 1)
        return min(8192, max(256, share))
    }

    static func physicalMemory() -> UInt64 {
        UInt64(max(0, sysconf(Int32(_SC_PHYS_PAGES)))) * UInt64(max(0, sysconf(Int32(_SC_PAGESIZE))))
    }
}

/// What the kernel counts for a CPU's buffer (`per_cpu/cpuN/stats`).
public struct BufferCount: Sendable, Equatable {
    public var cpu: Int
    /// The file's text.
    public var text: String
    /// Events that were read.
    public var readEvents: UInt64 = 0
    /// Events that are lost: overwritten before they were read, or never written.
    public var lost: UInt64 = 0

    /// ring_buffer_overrun_cpu(), ring_buffer_commit_overrun_cpu() and ring_buffer_dropped_events_cpu() are the losses (tracing_stats_read(), kernel/trace/trace.c).
    init(cpu: Int, _ text: String) {
        self.cpu = cpu
        self.text = text
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, let value = UInt64(parts[1].drop { $0 == " " }) else { continue }
            switch parts[0] {
            case "overrun", "commit overrun", "dropped events": lost += value
            case "read events": readEvents = value
            default: break
            }
        }
    }

    /// nil if the CPU has no buffer.
    init?(_ instance: String, cpu: Int) {
        guard let text = SmallFile.text("\(instance)/per_cpu/cpu\(cpu)/stats") else { return nil }
        self.init(cpu: cpu, text)
    }
}

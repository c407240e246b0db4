import Glibc
import TraceData
import TraceWriting

/// Puts the samples of each CPU, in the order of time, into its sub-buffers.
final class SampleWriter {
    private let bytes: PerfBytes
    private let path: String
    private let formats: EventFormats
    private let problems: PerfProblems
    let trace: ConvertedTrace
    private var cpus: [(writer: SubbufferWriter?, last: UInt64)] = []
    /// Records of events that are not used and that no sub-buffer can hold.
    private(set) var tooLarge = 0

    /// Sub-buffers that have room for the longest path of an exec.
    static let pageSize = 8192

    init(_ bytes: PerfBytes, path: String, _ formats: EventFormats, longSize: Int, _ problems: PerfProblems) throws(TraceError) {
        self.bytes = bytes
        self.path = path
        self.formats = formats
        self.problems = problems
        let geometry = SubbufferGeometry(bigEndian: bytes.bigEndian, longSize: longSize, size: Self.pageSize)
        trace = try converting(path) { () throws(WritingError) in try ConvertedTrace(geometry) }
    }

    /// CPUs that have samples: the highest number, and one more.
    var cpuCount: Int { cpus.count }

    func write(_ cpu: Int, _ entries: ArraySlice<SampleQueue.Entry>) throws(TraceError) {
        if cpus.count <= cpu { cpus += [(SubbufferWriter?, UInt64)](repeating: (nil, 0), count: cpu + 1 - cpus.count) }
        let writer = cpus[cpu].writer ?? trace.writer(cpu: cpu)
        cpus[cpu].writer = writer
        let largest = trace.geometry.largestRecord & ~3
        var last = cpus[cpu].last
        defer { cpus[cpu].last = last }
        for entry in entries {
            if entry.isLoss {
                writer.lose(entry.lost > 0 ? entry.lost : nil)
                continue
            }
            guard entry.time >= last else {
                let cause = "a sample of CPU \(cpu) comes \(last - entry.time) ns too late, behind others that perf's rounds say are older"
                try problems.note(cause, entry.offset, cpu: cpu)
                writer.lose(nil)
                continue
            }
            let record = bytes.part(entry.offset, entry.size)
            let id = bytes.u16(entry.offset)
            let smallest = formats.smallestRecord(of: id)
            if let smallest, entry.size < smallest {
                let name = formats.event(id).map { "\($0.system):\($0.name)" } ?? "event \(id)"
                try problems.note("a sample of \(name) has \(entry.size) bytes of data, its fields need \(smallest)", entry.offset, cpu: cpu)
                writer.lose(nil)
                continue
            }
            let size = (entry.size + 3) & ~3
            guard size <= largest else {
                if formats.event(id).map({ $0.kind == .other }) ?? true {
                    tooLarge += 1
                } else {
                    try problems.note("a sample of \(entry.size) bytes of data, as no event that is used has", entry.offset, cpu: cpu)
                    writer.lose(nil)
                }
                continue
            }
            do throws(WritingError) {
                memcpy(try writer.reserve(at: entry.time, size: size), record.baseAddress!, entry.size)
            } catch { throw conversionError(path, error) }
            last = entry.time
        }
    }
}

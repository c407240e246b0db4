import Glibc
import TraceWriting

/// A task's name as the kernel stores it: TASK_COMM_LEN bytes, the last of them 0.
public struct TaskName: Equatable, Sendable {
    var low: UInt64 = 0
    var high: UInt64 = 0

    public init(_ text: String) {
        for (index, byte) in text.utf8.prefix(15).enumerated() {
            if index < 8 { low |= UInt64(byte) << UInt64(8 * index) } else { high |= UInt64(byte) << UInt64(8 * index - 64) }
        }
    }

    var text: String {
        var bytes: [UInt8] = []
        for word in [low, high] { for index in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * index))) } }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// Writes the records of a synthetic recording, and in the end the file that holds them.
///
/// Memory: two blocks of some 40 KiB for each CPU.
final class SynthTrace {
    /// Who writes a record, where and when.
    struct Origin {
        var cpu: Int
        /// ns
        var time: UInt64
        var pid: Int32
        /// In a hard interrupt.
        var inIRQ = false
    }

    private let path: String
    private let draft: TraceDraft
    private(set) var counts = [Int](repeating: 0, count: SynthEvent.count)
    private(set) var firstTime: UInt64?
    private(set) var lastTime: UInt64 = 0

    init(path: String, version: TraceFileVersion, cpus count: Int) throws(WritingError) {
        self.path = path
        draft = try TraceDraft(beside: path, version: version, cpus: count)
    }

    var records: Int { counts.reduce(0, +) }

    // MARK: records

    private func begin(_ event: SynthEvent, _ origin: Origin, size: Int) throws(WritingError) -> UnsafeMutableRawPointer {
        let data = try draft.cpus[origin.cpu].reserve(at: origin.time, size: size)
        data.storeBytes(of: event.id, as: UInt16.self)
        // TRACE_FLAG_HARDIRQ and one level of it in preempt_count's place.
        data.storeBytes(of: origin.inIRQ ? 0x09 : 0x01, toByteOffset: 2, as: UInt8.self)
        data.storeBytes(of: origin.pid, toByteOffset: 4, as: Int32.self)
        counts[event.rawValue] += 1
        if firstTime == nil { firstTime = origin.time }
        lastTime = origin.time
        return data
    }

    private func put(_ name: TaskName, _ data: UnsafeMutableRawPointer, _ offset: Int) {
        (data + offset).storeBytes(of: name.low, as: UInt64.self)
        (data + offset + 8).storeBytes(of: name.high, as: UInt64.self)
    }

    func schedSwitch(
        _ origin: Origin, from name: TaskName, state: Int64, to next: Int32, _ nextName: TaskName
    ) throws(WritingError) {
        let data = try begin(.schedSwitch, origin, size: 64)
        put(name, data, 8)
        data.storeBytes(of: origin.pid, toByteOffset: 24, as: Int32.self)
        data.storeBytes(of: 120, toByteOffset: 28, as: Int32.self)
        data.storeBytes(of: state, toByteOffset: 32, as: Int64.self)
        put(nextName, data, 40)
        data.storeBytes(of: next, toByteOffset: 56, as: Int32.self)
        data.storeBytes(of: 120, toByteOffset: 60, as: Int32.self)
    }

    func tlbFlush(_ origin: Origin, reason: UInt8, pages: Int64) throws(WritingError) {
        let data = try begin(.tlbFlush, origin, size: 24)
        data.storeBytes(of: Int32(reason), toByteOffset: 8, as: Int32.self)
        data.storeBytes(of: pages, toByteOffset: 16, as: Int64.self)
    }

    func newTask(_ origin: Origin, pid: Int32, _ name: TaskName, cloneFlags: UInt64) throws(WritingError) {
        let data = try begin(.newTask, origin, size: 48)
        data.storeBytes(of: pid, toByteOffset: 8, as: Int32.self)
        put(name, data, 12)
        data.storeBytes(of: cloneFlags, toByteOffset: 32, as: UInt64.self)
    }

    func fork(_ origin: Origin, _ name: TaskName, child: Int32, _ childName: TaskName) throws(WritingError) {
        let data = try begin(.fork, origin, size: 48)
        put(name, data, 8)
        data.storeBytes(of: origin.pid, toByteOffset: 24, as: Int32.self)
        put(childName, data, 28)
        data.storeBytes(of: child, toByteOffset: 44, as: Int32.self)
    }

    func rename(_ origin: Origin, from old: TaskName, to new: TaskName) throws(WritingError) {
        let data = try begin(.rename, origin, size: 48)
        data.storeBytes(of: origin.pid, toByteOffset: 8, as: Int32.self)
        put(old, data, 12)
        put(new, data, 28)
    }

    /// The file that is executed is `/bin/` and the task's name.
    func exec(_ origin: Origin, _ name: TaskName) throws(WritingError) {
        let path = Array("/bin/\(name.text)".utf8) + [0]
        let data = try begin(.exec, origin, size: 20 + (path.count + 3) / 4 * 4)
        // __data_loc: length above, offset below.
        data.storeBytes(of: UInt32(path.count) << 16 | 20, toByteOffset: 8, as: UInt32.self)
        data.storeBytes(of: origin.pid, toByteOffset: 12, as: Int32.self)
        data.storeBytes(of: origin.pid, toByteOffset: 16, as: Int32.self)
        (data + 20).copyMemory(from: path, byteCount: path.count)
    }

    func exit(_ origin: Origin, _ name: TaskName) throws(WritingError) {
        let data = try begin(.exit, origin, size: 32)
        put(name, data, 8)
        data.storeBytes(of: origin.pid, toByteOffset: 24, as: Int32.self)
        data.storeBytes(of: 120, toByteOffset: 28, as: Int32.self)
    }

    // MARK: the file

    /// - Parameter commandLines: pids and names for saved_cmdlines.
    func finish(commandLines: [(Int32, TaskName)]) throws(WritingError) {
        var container = TraceContainer(
            uname: "Linux synth 4.13.9-synth x86_64", clock: "local global counter uptime perf [mono] mono_raw boot x86-tsc\n",
            headerPage: Array(SynthEvent.headerPage.utf8), headerEvent: Array(SynthEvent.headerEvent.utf8),
            formats: [("ftrace", Array(SynthEvent.printFormat.utf8))] + SynthEvent.allCases.map { ($0.system, Array($0.format.utf8)) },
            pageSize: UInt32(SubbufferWriter.size))
        for (pid, name) in commandLines { container.commandLines += Array("\(pid) \(name.text)\n".utf8) }
        for (number, cpu) in draft.cpus.enumerated() {
            container.statistics.append(
                "CPU: \(number)\nentries: 0\noverrun: 0\ncommit overrun: 0\nbytes: 0\ndropped events: 0\nread events: \(cpu.records)\n")
        }
        try draft.write(container, to: path)
    }
}

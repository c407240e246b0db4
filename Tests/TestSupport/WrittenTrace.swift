import Foundation
import TraceWriting

/// A trace.dat file of version 6 whose records are written by hand: what no kernel writes, but a file may hold.
public struct WrittenTrace {
    public var release = "4.13.0"
    /// `local`, if nil.
    public var clock: String?
    public var formats = [schedSwitch, tlbFlush]
    /// What lies in front of the file's own options, in their form: u16 id, u32 size, data.
    public var options: [UInt8] = []
    public var commandLines: [UInt8] = []
    private let pageSize: Int
    /// By CPU.
    private var sinks: [Sink] = []
    private var writers: [SubbufferWriter] = []

    private final class Sink: SubbufferSink {
        var bytes: [UInt8] = []
        func write(_ subbuffers: UnsafeRawBufferPointer) { bytes += subbuffers }
    }

    public init(cpus: Int, pageSize: Int = 4096) {
        self.pageSize = pageSize
        sinks = (0..<cpus).map { _ in Sink() }
        writers = sinks.map { SubbufferWriter($0, geometry: SubbufferGeometry(size: pageSize)) }
    }

    /// Not before the CPU's last record.
    public func record(_ cpu: Int, _ time: UInt64, _ data: [UInt8]) {
        let padded = data + [UInt8](repeating: 0, count: -data.count & 3)
        try! writers[cpu].reserve(at: time, size: padded.count).copyMemory(from: padded, byteCount: padded.count)
    }

    /// The CPU's next record begins a sub-buffer. A time further on than 2^59 can be told in no other way.
    public func turn(_ cpu: Int) { try! writers[cpu].finish() }

    /// Events of the CPU are lost behind its last record, nobody knows how many.
    public func lose(_ cpu: Int) { writers[cpu].lose(nil) }

    /// sched_switch to `next`, in task context.
    public func run(_ cpu: Int, _ time: UInt64, _ previous: Int32, _ next: Int32, as comm: String = "w") {
        record(cpu, time, Self.common(93, previous) + Self.comm("") + Self.le(previous) + Self.le(Int32(120)) + Self.le(UInt64(0)) + Self.comm(comm) + Self.le(next) + Self.le(Int32(120)))
    }

    public func flush(_ cpu: Int, _ time: UInt64, _ pid: Int32, _ reason: Int32, _ pages: Int64, inIRQ: Bool = false) {
        record(cpu, time, Self.common(57, pid, flags: inIRQ ? 9 : 1) + Self.le(reason) + Self.le(UInt32(0)) + Self.le(pages))
    }

    /// task_newtask.
    public func make(_ cpu: Int, _ time: UInt64, _ child: Int32) {
        record(cpu, time, Self.common(60, 0) + Self.le(child) + Self.comm("w") + Self.le(UInt32(0)) + Self.le(UInt64(0)) + Self.le(UInt64(0)))
    }

    /// sched_process_fork.
    public func bear(_ cpu: Int, _ time: UInt64, _ child: Int32, of parent: Int32) {
        record(cpu, time, Self.common(61, parent) + Self.comm("w") + Self.le(parent) + Self.comm("w") + Self.le(child))
    }

    /// A trace_marker line.
    public func mark(_ cpu: Int, _ time: UInt64, _ text: [UInt8], flags: UInt8 = 0) { record(cpu, time, Self.common(5, 0, flags: flags) + Self.le(UInt64(0)) + text) }

    public static func common(_ id: UInt16, _ pid: Int32, flags: UInt8 = 1) -> [UInt8] { le(id) + [flags, 0] + le(pid) }
    public static func comm(_ name: String) -> [UInt8] { Array(name.utf8) + [UInt8](repeating: 0, count: 16 - name.utf8.count) }
    public static func le<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

    public static let schedSwitch = (
        system: "sched",
        text: eventFormat(
            "sched_switch", 93,
            """
            \tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:1;
            \tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;
            \tfield:int prev_prio;\toffset:28;\tsize:4;\tsigned:1;
            \tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;
            \tfield:char next_comm[16];\toffset:40;\tsize:16;\tsigned:1;
            \tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;
            \tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;

            """)
    )
    public static let tlbFlush = (
        system: "tlb", text: eventFormat("tlb_flush", 57, "\tfield:int reason;\toffset:8;\tsize:4;\tsigned:1;\n\tfield:unsigned long pages;\toffset:16;\tsize:8;\tsigned:0;\n")
    )
    public static let newTask = (
        system: "task",
        text: eventFormat(
            "task_newtask", 60,
            """
            \tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;
            \tfield:char comm[16];\toffset:12;\tsize:16;\tsigned:1;
            \tfield:unsigned long clone_flags;\toffset:32;\tsize:8;\tsigned:0;
            \tfield:short oom_score_adj;\toffset:40;\tsize:2;\tsigned:1;

            """)
    )
    public static let processFork = (
        system: "sched",
        text: eventFormat(
            "sched_process_fork", 61,
            """
            \tfield:char parent_comm[16];\toffset:8;\tsize:16;\tsigned:1;
            \tfield:pid_t parent_pid;\toffset:24;\tsize:4;\tsigned:1;
            \tfield:char child_comm[16];\toffset:28;\tsize:16;\tsigned:1;
            \tfield:pid_t child_pid;\toffset:44;\tsize:4;\tsigned:1;

            """)
    )
    public static let marker = (
        system: "ftrace", text: eventFormat("print", 5, "\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n\tfield:char buf[];\toffset:16;\tsize:0;\tsigned:1;\n")
    )

    private static let headerPage = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"

    /// The file, in which the next record of a CPU begins a sub-buffer.
    public var data: Data {
        for writer in writers { try! writer.finish() }
        var container = TraceContainer(
            uname: "Linux host \(release) x86_64", clock: clock, headerPage: Array(Self.headerPage.utf8), headerEvent: [], formats: formats.map { ($0.system, Array($0.text.utf8)) },
            pageSize: UInt32(pageSize))
        container.commandLines = commandLines
        var bytes = container.version6(sizes: sinks.map { UInt64($0.bytes.count) })
        if !options.isEmpty {
            let place = bytes.indices.first { bytes[$0...].starts(with: "options  \0".utf8) }! + 10
            // The data stays where the table says: there is room in front of it.
            precondition(bytes.suffix(options.count).allSatisfy { $0 == 0 })
            bytes.removeLast(options.count)
            bytes.insert(contentsOf: options, at: place)
        }
        return Data(bytes + sinks.flatMap(\.bytes))
    }

    /// The file at a path of its own while `body` runs.
    public func open<R>(_ body: (String) throws -> R) throws -> R { try withTemporaryFile(data, body) }
}

import LazyTLB
import Reconstruction
import Replay
import Report
import TestSupport

@testable import TraceData

/// A whole trace, from the file to the output: `report` with each --evidence level, `timeline`, `events`.
///
/// Input: a byte for the head of the file, one for what is done with it, the rest is a ``Script``.
enum ReportTarget {
    /// A file in memory, whose records are written anew for each input.
    final class Stage {
        let head: Head
        let bytes: MappedFile
        let memories: [UnsafeMutableRawBufferPointer]
        let script: Script
        let file: TraceFile
        private var lax: TraceFile?

        init(_ head: Head) {
            self.head = head
            let (content, offsets) = head.file()
            bytes = content.withUnsafeBytes { MappedFile(path: "fuzz", copying: $0) }
            memories = offsets.map { [bytes, head] in
                let start = UnsafeMutableRawPointer(mutating: bytes.bytes.baseAddress! + $0)
                return UnsafeMutableRawBufferPointer(start: start, count: head.pages * head.pageSize)
            }
            file = try! TraceFile(bytes, TraceFile.Options())
            script = Script(file.formats, pageSize: head.pageSize)
        }

        /// With --keep-going; it remembers its problems, so it is opened again when it has any.
        var keepingGoing: TraceFile {
            if let lax, lax.problems.isEmpty { return lax }
            lax = try! TraceFile(bytes, TraceFile.Options(keepGoing: true))
            return lax!
        }
    }

    static let heads: [Head] = {
        func head(_ fixture: String) -> Head { try! Head(fixture: Recordings.fixture("\(fixture).dat")) }
        let plain = head("v4.12-threads-4cpu-plain")
        var list = [plain, head("v4.13-threads-4cpu-truth"), head("v4.12i386-threads-4cpu-truth"), head("v4.12-threads-2cpu-truth-c3idle")]
        var other = plain
        other.uname = "Linux fuzz 6.1.0-lab x86_64"
        list.append(other)
        other = plain
        other.bigEndian = true
        other.uname = "Linux fuzz 4.13.0 s390x"
        list.append(other)
        // More CPUs than a word of a mask has bits, and holes between their numbers.
        other = list[1]
        (other.cpus, other.withData) = (200, [0, 63, 64, 199])
        list.append(other)
        // A guest's clock: TIME_SHIFT with two samples for CPU 0, TSC2NSEC.
        other = plain
        other.uname = "Linux fuzz"
        other.clock = "[x86-tsc]"
        var shift = Head.Writer(bigEndian: false)
        shift.put(UInt64(1))
        for word: UInt32 in [1, 1, 2] { shift.put(word) }
        for word: UInt64 in [1_000_000_000, 2_000_000_000, 5, 1_000_005, 1, 1] { shift.put(word) }
        var scale = Head.Writer(bigEndian: false)
        scale.put(UInt32(0x8000_0000))
        scale.put(UInt32(32))
        scale.put(UInt64(0))
        other.options = [(12, shift.bytes), (14, scale.bytes)]
        list.append(other)
        // A short window: few sub-buffers, all small.
        other = head("v4.13-reclaim-4cpu-plain")
        (other.pageSize, other.pages) = (1024, 16)
        list.append(other)
        return list
    }()

    nonisolated(unsafe) private static var stages = [Stage?](repeating: nil, count: heads.count)

    static func run(_ input: UnsafeRawBufferPointer) {
        guard input.count > 2 else { return }
        let number = Int(input[0]) % heads.count
        if stages[number] == nil { stages[number] = Stage(heads[number]) }
        let stage = stages[number]!
        stage.script.write(UnsafeRawBufferPointer(rebasing: input[2...]), to: stage.memories)
        let choice = input[1]
        let file = choice & 0x80 != 0 ? stage.keepingGoing : stage.file
        let level = EvidenceLevel.allCases[Int(choice & 3)]
        switch choice >> 2 & 7 {
        case 0, 1, 2, 3: try? report(file, level, isConcurrent: choice & 0x20 != 0, asJSON: choice & 0x40 != 0)
        case 4: try? timeline(file, nil, [.text, .json, .perfetto, .svg][Int(choice >> 5 & 3)], level)
        case 5: try? timeline(file, V412.id, .perfetto, level)
        case 6: try? timeline(file, V413Parent.id, .perfetto, level)
        default: try? events(file, choice & 0x20 != 0 ? .json : .text)
        }
    }

    private static func report(_ file: TraceFile, _ level: EvidenceLevel, isConcurrent: Bool, asJSON: Bool) throws {
        let maker = ReportMaker(tool: .init(version: "fuzz"), evidence: level, jobs: isConcurrent ? 2 : 1)
        let document = try maker.document(file, divergences: 50)
        // Takes longer than all the rest.
        guard asJSON else {
            _ = renderText(document, style: TextStyle(), divergenceLimit: .max)
            _ = renderHTML([(document, nil)], divergenceLimit: .max)
            return
        }
        let json = try renderJSON([document])
        let again = try readReports(json: json.utf8)
        demand(again == [document], "a report is not what its JSON form says")
    }

    private static func timeline(_ file: TraceFile, _ scheme: String?, _ format: TimelineFormat, _ level: EvidenceLevel) throws {
        let writer = ByteWriter(descriptor: nowhere)
        _ = try TimelineMaker(scheme: scheme, evidence: level).make(file) { Unbroken(format.output(to: writer, $0), from: $0.span.lowerBound) }
        writer.flush()
    }

    private static func events(_ file: TraceFile, _ format: EventLines.Format) throws {
        let writer = ByteWriter(descriptor: nowhere)
        var lines = EventLines(file, format, to: writer)
        var names = CommTable(file)
        var merge = RecordMerge(file)
        var record = Record.none
        while try merge.next(&record) {
            lines.write(record, comm: names.name(record.pid))
            names.update(record)
        }
        writer.flush()
    }
}

/// Demands that no CPU's intervals leave a hole or overlap.
private final class Unbroken: TimelineOutput {
    private let output: any TimelineOutput
    private let start: UInt64
    private var ends: [Int: UInt64] = [:]

    init(_ output: any TimelineOutput, from start: UInt64) { (self.output, self.start) = (output, start) }

    func begin() { output.begin() }

    func add(_ interval: Interval, _ mms: MMTable) {
        demand(interval.start == ends[interval.cpu, default: start], "rows of CPU \(interval.cpu) leave a hole or overlap at \(interval.start)")
        ends[interval.cpu] = interval.end
        output.add(interval, mms)
    }

    func end() { output.end() }

    var flushes: ((RecordedFlush) -> Void)? { output.flushes }
}

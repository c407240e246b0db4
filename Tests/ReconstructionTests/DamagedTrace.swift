import Foundation
@testable import TraceData
import TraceSynth
import TraceWriting

/// A recording taken apart into sub-buffers, some of which can be left out, and written again as a trace.dat file of version 6.
struct DamagedTrace {
    private struct Page {
        var bytes: [UInt8]
        /// Raw times of its first and its last record, and how many there are.
        var first: UInt64
        var last: UInt64
        var records: Int
    }

    /// By CPU.
    private var pages: [[Page]]
    private let formats: [(system: String, text: [UInt8])]
    private let shape: SubbufferShape
    private let uname: String
    private let wholeCount: Int
    private let wholeTime: UInt64
    /// CPU time of the gaps so far, ns.
    private var lostTime: UInt64 = 0

    private static let missedEvents: UInt8 = 0x80

    init(_ path: String) throws {
        let file = try MappedFile(path: path)
        let container = try Container(file, keepGoing: false)
        let buffer = container.buffers[0]
        let shape = SubbufferShape(bigEndian: container.bigEndian, longSize: container.longSize, size: buffer.pageSize)
        precondition(!shape.bigEndian && container.time.isPlain && container.time.offset == 0, "\(path): not a plain recording")
        self.shape = shape
        uname = container.uname ?? ""
        formats = container.formats.map { ($0.system, Array($0.text)) }
        pages = Array(repeating: [], count: container.cpuCount)
        for extent in buffer.cpus where extent.size > 0 {
            let slack = buffer.compressed ? 4 : 0
            let end = min(Int(extent.offset + extent.size) + slack, file.bytes.count)
            var source = SubbufferSource(
                file: file, bytes: UnsafeRawBufferPointer(rebasing: file.bytes[Int(extent.offset)..<end]), offset: extent.offset, shape: shape,
                compression: buffer.compressed ? container.compression : nil)
            while let bytes = try source.next() {
                var walker = try SubbufferWalker(bytes, shape: shape)
                var page = Page(bytes: Array(bytes), first: 0, last: 0, records: 0)
                while try walker.advance() {
                    if page.records == 0 { page.first = walker.time }
                    page.last = walker.time
                    page.records += 1
                }
                page.bytes += [UInt8](repeating: 0, count: shape.size - page.bytes.count)
                if page.records > 0 { pages[extent.cpu].append(page) }
            }
        }
        wholeCount = pages.joined().reduce(0) { $0 + $1.records }
        wholeTime = pages.reduce(0) { $0 + ($1.last?.last ?? 0) - ($1.first?.first ?? 0) }
    }

    /// Part of the records that is gone.
    var droppedRecords: Double { 1 - Double(pages.joined().reduce(0) { $0 + $1.records }) / Double(wholeCount) }
    /// Part of the CPU time of the whole that lies in gaps.
    var lostPart: Double { Double(lostTime) / Double(wholeTime) }

    /// Starts in the middle: without the first `part` of the time, up to a sub-buffer on each CPU.
    mutating func dropPrefix(_ part: Double) {
        let start = pages.compactMap(\.first?.first).min() ?? 0
        let end = pages.compactMap(\.last?.last).max() ?? 0
        let cut = start + UInt64(part * Double(end - start))
        for cpu in pages.indices { pages[cpu].removeAll { $0.first < cut } }
    }

    /// Leaves out a CPU, which was on all the time.
    mutating func drop(cpu: Int) { pages[cpu] = [] }

    /// Leaves out each sub-buffer with probability `part`, and marks the next one as the kernel does. The last one of a CPU stays: nothing
    /// would mark its loss.
    mutating func dropRandom(_ part: Double, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for cpu in pages.indices {
            let all = pages[cpu]
            var kept: [Page] = []
            var isMissed = false
            for (index, page) in all.enumerated() {
                if index < all.count - 1, Double.random(in: 0..<1, using: &random) < part {
                    isMissed = true
                    continue
                }
                var page = page
                if isMissed {
                    // RB_MISSED_EVENTS: bit 31 of the header's commit.
                    page.bytes[8 + 3] |= Self.missedEvents
                    if let last = kept.last { lostTime += page.first - last.last }
                }
                isMissed = false
                kept.append(page)
            }
            pages[cpu] = kept
        }
    }

    /// A CPU's clock is ahead by so much behind the first `part` of its sub-buffers.
    mutating func setClockForward(by ns: UInt64, of cpu: Int, from part: Double) {
        for index in Int(part * Double(pages[cpu].count))..<pages[cpu].count {
            let time = pages[cpu][index].bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } &+ ns
            withUnsafeBytes(of: time) { pages[cpu][index].bytes.replaceSubrange(0..<8, with: $0) }
        }
    }

    /// Gives the records of these events a number that no event has.
    mutating func blot(_ events: Set<String>, in file: TraceFile) throws {
        let numbers = Set(events.compactMap { file.formats.event(named: $0)?.id })
        for cpu in pages.indices {
            for index in pages[cpu].indices {
                let bytes = pages[cpu][index].bytes
                try bytes.withUnsafeBytes { page in
                    var walker = try SubbufferWalker(page, shape: shape)
                    while try walker.advance() {
                        let place = walker.dataOffset
                        guard numbers.contains(Int(page[place]) | Int(page[place + 1]) << 8) else { continue }
                        pages[cpu][index].bytes[place] = 0xfe
                        pages[cpu][index].bytes[place + 1] = 0xff
                    }
                }
            }
        }
    }

    /// trace-cmd.dat.v6(5): no kallsyms, printk formats or names; of the options the kernel's name.
    private var bytes: Data {
        let headerPage = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:\(shape.longSize);\tsigned:1;\n"
        let container = TraceContainer(
            uname: uname, headerPage: Array(headerPage.utf8), headerEvent: [], formats: formats, pageSize: UInt32(shape.size))
        var out = Data(container.version6(sizes: pages.map { UInt64($0.count * shape.size) }))
        for page in pages.joined() { out.append(contentsOf: page.bytes) }
        return out
    }

    /// Writes it to a file that exists while `body` runs.
    func open<R>(_ body: (TraceFile) throws -> R) throws -> R {
        let path = NSTemporaryDirectory() + "lazytlb-test-\(UUID().uuidString).dat"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try bytes.write(to: URL(fileURLWithPath: path))
        return try body(try TraceFile(path: path))
    }
}

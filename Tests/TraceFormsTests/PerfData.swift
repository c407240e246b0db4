import CZstd
import Foundation
import TestSupport

@testable import TraceData
@testable import TraceForms
@testable import TraceWriting

/// Writes a perf.data with the records of a trace.dat file, as perf would have got them: tools/perf/Documentation/perf.data-file-format.txt and
/// include/uapi/linux/perf_event.h, written from these and not from the code that reads it.
struct PerfData: Sendable {
    var bigEndian = false
    /// As `perf record -o -` writes it.
    var isPipe = false
    var isCompressed = false
    /// PERF_SAMPLE_*: IDENTIFIER | PERIOD | RAW | CPU | TIME | TID | IP by default, as perf asks for.
    var sampleType: UInt64 = 1 << 16 | 1 << 8 | 1 << 10 | 1 << 7 | 1 << 2 | 1 << 1 | 1
    var readFormat: UInt64 = 0
    var clockID: Int32? = 1
    /// Samples between two ends of a round; nil for a file without rounds.
    var round: Int? = 100
    /// Samples of a CPU come from two buffers, one behind the other in each round.
    var hasTwoBuffers = false
    /// A second kind of event, whose samples have no data.
    var hasCycles = false
    /// Where the file leaves these out.
    var hasTracingData = true
    /// Others of the head, by number, behind those that are always there.
    var features: [(Int, [UInt8])] = []
    var hasRelease = true
    /// Before which sample (of all, by number) so many were lost.
    var losses: [Int: UInt64] = [:]
    /// Changes the record of a sample before it is written.
    var change: @Sendable (Int, inout Sample) -> Void = { _, _ in }

    struct Sample {
        var time: UInt64
        var cpu: UInt32
        var pid: Int32
        var id: UInt64
        var raw: [UInt8]
    }

    static let tracepointID: UInt64 = 77
    static let cyclesID: UInt64 = 78

    // MARK: records

    private func put(_ fill: (inout Bytes) -> Void) -> [UInt8] {
        var out = Bytes(bigEndian: bigEndian)
        fill(&out)
        return out.bytes
    }

    func record(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
        put {
            $0.put(type)
            $0.put(UInt16(0))
            $0.put(UInt16(8 + body.count))
            $0.put(raw: body)
        }
    }

    private func sample(_ sample: Sample, isCycles: Bool) -> [UInt8] {
        let type = isCycles ? sampleType & ~(1 << 10) : sampleType
        return record(
            9,
            put { out in
                func has(_ bit: UInt64) -> Bool { type & 1 << bit != 0 }
                if has(16) { out.put(sample.id) }
                if has(0) { out.put(UInt64(0xffff_ffff_8100_0000)) }
                if has(1) { out.put(UInt32(bitPattern: sample.pid)); out.put(UInt32(bitPattern: sample.pid)) }
                if has(2) { out.put(sample.time) }
                if has(3) { out.put(UInt64(1)) }
                if has(6) { out.put(sample.id) }
                if has(9) { out.put(UInt64(5)) }
                if has(7) { out.put(sample.cpu); out.put(UInt32(0)) }
                if has(8) { out.put(UInt64(1)) }
                if has(4) {
                    let group = readFormat & 8 != 0
                    out.put(UInt64(group ? 2 : 9))
                    if readFormat & 1 != 0 { out.put(UInt64(8)) }
                    if readFormat & 2 != 0 { out.put(UInt64(7)) }
                    for _ in 0..<(group ? 2 : 1) {
                        if group { out.put(UInt64(6)) }
                        if readFormat & 4 != 0 { out.put(sample.id) }
                        if readFormat & 16 != 0 { out.put(UInt64(0)) }
                    }
                }
                if has(5) {
                    out.put(UInt64(3))
                    for address in 1...3 { out.put(UInt64(address)) }
                }
                if has(10) {
                    // The size and the data together are a multiple of eight bytes.
                    let size = (sample.raw.count + 4 + 7) / 8 * 8 - 4
                    out.put(UInt32(size))
                    out.put(raw: sample.raw + [UInt8](repeating: 0, count: size - sample.raw.count))
                }
            })
    }

    private func loss(_ count: UInt64, before sample: Sample) -> [UInt8] {
        record(
            2,
            put { out in
                out.put(sample.id)
                out.put(count)
                func has(_ bit: UInt64) -> Bool { sampleType & 1 << bit != 0 }
                if has(1) { out.put(UInt64(0)) }
                if has(2) { out.put(sample.time) }
                if has(6) { out.put(sample.id) }
                if has(9) { out.put(UInt64(5)) }
                if has(7) { out.put(sample.cpu); out.put(UInt32(0)) }
                if has(16) { out.put(sample.id) }
            })
    }

    private func name(_ pid: Int32, _ comm: String) -> [UInt8] {
        record(
            3,
            put {
                $0.put(UInt32(bitPattern: pid))
                $0.put(UInt32(bitPattern: pid))
                let bytes = Array(comm.utf8.prefix(15)) + [0]
                $0.put(raw: bytes + [UInt8](repeating: 0, count: (8 - bytes.count % 8) % 8))
                // sample_id; nothing of it is read.
                for bit: UInt64 in [1, 2, 6, 9, 7, 16] where sampleType & 1 << bit != 0 { $0.put(UInt64(0)) }
            })
    }

    private func attribute(isCycles: Bool) -> [UInt8] {
        put {
            $0.put(UInt32(isCycles ? 0 : 2))
            $0.put(UInt32(112))
            $0.put(UInt64(isCycles ? 0 : 300))
            $0.put(UInt64(1))
            $0.put(isCycles ? sampleType & ~(1 << 10) : sampleType)
            $0.put(readFormat)
            // sample_id_all, use_clockid
            let flags: UInt64 = bigEndian ? 1 << (63 - 18) | (clockID == nil ? 0 : 1 << (63 - 25)) : 1 << 18 | (clockID == nil ? 0 : 1 << 25)
            $0.put(flags)
            $0.pad(to: 92)
            $0.put(UInt32(bitPattern: clockID ?? 0))
            $0.pad(to: 112)
        }
    }

    // MARK: the file

    /// - Parameter swap: turns a record into the other byte order, for ``bigEndian``.
    func bytes(of file: TraceFile, path: String) throws -> [UInt8] {
        var samples: [Sample] = []
        var merge = RecordMerge(file)
        var record = Record.none
        while try merge.next(&record) {
            if record.kind == .lost { continue }
            let raw = bigEndian ? swapped(record, file.formats) : Array(record.data)
            samples.append(Sample(time: record.time, cpu: UInt32(record.cpu), pid: record.pid, id: Self.tracepointID, raw: raw))
        }
        for index in samples.indices { change(index, &samples[index]) }
        var stream: [UInt8] = []
        for (pid, comm) in file.commands.sorted(by: { $0.key < $1.key }) { stream += name(pid, comm.description) }
        let step = round ?? max(1, samples.count)
        for start in stride(from: 0, to: samples.count, by: step) {
            let range = start..<min(start + step, samples.count)
            let order = hasTwoBuffers ? range.filter { $0 % 3 != 0 } + range.filter { $0 % 3 == 0 } : Array(range)
            for index in order {
                if let lost = losses[index] { stream += loss(lost, before: samples[index]) }
                stream += sample(samples[index], isCycles: false)
                if hasCycles, index % 5 == 0 {
                    var other = samples[index]
                    (other.id, other.time) = (Self.cyclesID, 1)
                    stream += sample(other, isCycles: true)
                }
            }
            if round != nil { stream += self.record(68, []) }
        }
        if isCompressed { stream = compressed(stream) }
        let attributes = [attribute(isCycles: false)] + (hasCycles ? [attribute(isCycles: true)] : [])
        let tracing = try tracingData(file, path)
        let release = file.kernelRelease ?? ""
        let all: [(Int, [UInt8])] =
            (hasTracingData ? [(1, tracing)] : []) + (hasRelease ? [(3, string("lab host")), (4, string(release)), (6, string(file.machine ?? "x86_64"))] : [])
            + [(7, put { $0.put(UInt32(file.cpuCount)); $0.put(UInt32(file.cpuCount)) })] + (isCompressed ? [(27, put { for value: UInt32 in [1, 1, 1, 20, 524288] { $0.put(value) } })] : [])
            + features
        return isPipe ? pipe(attributes, all, stream) : self.file(attributes, all, stream)
    }

    private func string(_ text: String) -> [UInt8] {
        put {
            let size = (text.utf8.count + 1 + 63) / 64 * 64
            $0.put(UInt32(size))
            $0.put(raw: Array(text.utf8) + [UInt8](repeating: 0, count: size - text.utf8.count))
        }
    }

    private func file(_ attributes: [[UInt8]], _ features: [(Int, [UInt8])], _ stream: [UInt8]) -> [UInt8] {
        // Header, ids, attributes, data, features.
        let idStart = 104
        let attributeStart = idStart + 8 * attributes.count
        let dataStart = attributeStart + 128 * attributes.count
        return put { out in
            out.put(raw: Array(bigEndian ? "2ELIFREP".utf8 : "PERFILE2".utf8))
            out.put(UInt64(104))
            out.put(UInt64(128))
            out.put(UInt64(attributeStart))
            out.put(UInt64(128 * attributes.count))
            out.put(UInt64(dataStart))
            out.put(UInt64(stream.count))
            out.put(UInt64(0))
            out.put(UInt64(0))
            out.put(features.reduce(UInt64(0)) { $0 | 1 << UInt64($1.0) })
            for _ in 0..<3 { out.put(UInt64(0)) }
            for index in attributes.indices { out.put(index == 0 ? Self.tracepointID : Self.cyclesID) }
            for (index, attribute) in attributes.enumerated() {
                out.put(raw: attribute)
                out.put(UInt64(idStart + 8 * index))
                out.put(UInt64(8))
            }
            out.put(raw: stream)
            var place = dataStart + stream.count + 16 * features.count
            for (_, content) in features {
                out.put(UInt64(place))
                out.put(UInt64(content.count))
                place += content.count
            }
            for (_, content) in features { out.put(raw: content) }
        }
    }

    private func pipe(_ attributes: [[UInt8]], _ features: [(Int, [UInt8])], _ stream: [UInt8]) -> [UInt8] {
        var out = put { out in
            out.put(raw: Array(bigEndian ? "2ELIFREP".utf8 : "PERFILE2".utf8))
            out.put(UInt64(16))
        }
        for (index, attribute) in attributes.enumerated() { out += record(64, attribute + put { $0.put(index == 0 ? Self.tracepointID : Self.cyclesID) }) }
        for (feature, content) in features where feature != 1 { out += record(80, put { $0.put(UInt64(feature)) } + content) }
        for (_, content) in features where content.count > 0 && features[0].0 == 1 && content == features[0].1 {
            let padding = (8 - content.count % 8) % 8
            out += record(66, put { $0.put(UInt32(content.count + padding)) }) + content + [UInt8](repeating: 0, count: padding)
        }
        return out + stream
    }

    /// Pieces that do not care where records begin, in one stream of zstd.
    private func compressed(_ stream: [UInt8]) -> [UInt8] {
        let context = ZSTD_createCStream()!
        defer { ZSTD_freeCStream(context) }
        var out: [UInt8] = []
        var place = 0
        while place < stream.count {
            let piece = Array(stream[place..<min(place + 10_007, stream.count)])
            place += piece.count
            var packed = [UInt8](repeating: 0, count: ZSTD_compressBound(piece.count) + 64)
            let count = packed.withUnsafeMutableBytes { target in
                piece.withUnsafeBytes { source in
                    var input = ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: 0)
                    var output = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                    _ = ZSTD_compressStream(context, &output, &input)
                    _ = ZSTD_flushStream(context, &output)
                    return output.pos
                }
            }
            // The second form has the size, and is filled up to eight bytes.
            let isNew = place % 2 == 0
            let body = Array(packed[..<count])
            out += isNew
                ? record(83, put { $0.put(UInt64(count)) } + body + [UInt8](repeating: 0xaa, count: (8 - body.count % 8) % 8)) : record(81, body)
            // Between the pieces comes what is not compressed.
            out += record(80, put { $0.put(UInt64(200)) })
        }
        return out
    }

    func tracingData(_ file: TraceFile, _ path: String) throws -> [UInt8] {
        let mapped = try MappedFile(path: path)
        let container = try Container(mapped, keepGoing: false)
        return withExtendedLifetime((mapped, container)) {
            put { out in
                out.put(raw: [0x17, 0x08, 0x44] + Array("tracing".utf8))
                out.put("0.6")
                out.put(raw: [bigEndian ? 1 : 0, UInt8(file.longSize)])
                out.put(UInt32(4096))
                out.put("header_page")
                out.put(sized: TextFormat.headerPage(longSize: file.longSize, size: 4096))
                out.put("header_event")
                out.put(sized: TextFormat.headerEvent)
                for system in ["ftrace"] {
                    let formats = container.formats.filter { $0.system == system }
                    out.put(UInt32(formats.count))
                    for format in formats { out.put(sized: Array(format.text)) }
                }
                let systems = Set(container.formats.map(\.system)).subtracting(["ftrace"]).sorted()
                out.put(UInt32(systems.count))
                for system in systems {
                    let formats = container.formats.filter { $0.system == system }
                    out.put(system)
                    out.put(UInt32(formats.count))
                    for format in formats { out.put(sized: Array(format.text)) }
                }
                out.put(UInt32(0))
                out.put(UInt32(0))
                out.put(sized: [])
            }
        }
    }
}

/// A record in the other byte order: each number by its field, names as they are.
func swapped(_ record: Record, _ formats: EventFormats) -> [UInt8] {
    var bytes = Array(record.data)
    func swap(_ offset: Int, _ size: Int) { if offset + size <= bytes.count { bytes[offset..<offset + size].reverse() } }
    swap(0, 2)
    swap(4, 4)
    for field in formats.event(of: record)?.fields ?? [] {
        if field.isDynamic { swap(field.offset, 4) } else if !field.isArray, [2, 4, 8].contains(field.size) { swap(field.offset, field.size) }
    }
    return bytes
}

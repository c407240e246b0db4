import CZstd
import Glibc
import TraceData
import TraceWriting

/// The records of a perf.data that `perf record -z` has compressed, in a file without a name: what was not compressed as it is, what was in place of the
/// records that held it (process_compressed_event(), tools/perf/util/tool.c). One stream of zstd goes through the whole file, and records may go
/// from one of its pieces to the next.
struct PerfUnpacking {
    let file: MappedFile
    /// Where in that file the content of a record of the original begins, and where the record is: ascending.
    private let origins: [(unpacked: Int, original: Int)]

    /// Bytes that may come out: perf's own data is rarely compressed by more than a tenth of this.
    static func limit(_ size: Int) -> UInt64 { max(1 << 30, 128 * UInt64(size)) }

    init(_ records: PerfRecords, path: String, size: Int) throws(TraceError) {
        let target = try converting(path) { () throws(WritingError) in try unnamedFile(in: ConvertedTrace.folder) }
        defer { close(target) }
        guard let stream = ZSTD_createDStream() else { throw TraceError(path: path, cause: "zstd: out of memory") }
        defer { ZSTD_freeDStream(stream) }
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: ZSTD_DStreamOutSize(), alignment: 16)
        defer { output.deallocate() }
        var origins: [(unpacked: Int, original: Int)] = []
        var written = 0
        // The beginning of a record whose end has not come yet.
        var rest: [UInt8] = []
        var records = records
        func put(_ bytes: UnsafeRawBufferPointer) throws(TraceError) {
            guard UInt64(written + bytes.count) <= Self.limit(size) else {
                throw TraceError(path: path, offset: UInt64(records.offset), cause: "unpacks to more than \(Self.limit(size)) bytes")
            }
            try converting(path) { () throws(WritingError) in try writeAll(target, bytes) }
            written += bytes.count
        }
        /// Passes on the whole records of what has come.
        func take(_ bytes: UnsafeRawBufferPointer) throws(TraceError) {
            rest.append(contentsOf: bytes)
            var place = 0
            var wrong: Int?
            let failure = rest.withUnsafeBytes { raw -> TraceError? in
                let all = PerfBytes(raw, bigEndian: records.bytes.bigEndian)
                while raw.count - place >= 8 {
                    let count = Int(all.u16(place + 6))
                    if count < 8 { wrong = count; break }
                    if count > raw.count - place { break }
                    place += count
                }
                do throws(TraceError) {
                    if place > 0 { try put(UnsafeRawBufferPointer(rebasing: raw[..<place])) }
                    return nil
                } catch { return error }
            }
            if let failure { throw failure }
            if let wrong { throw TraceError(path: path, offset: UInt64(records.offset), cause: "a record in the unpacked data states a size of \(wrong), expected 8 or more") }
            rest.removeFirst(place)
        }
        while true {
            do throws(PerfRecords.Damage) { if try !records.advance() { break } } catch {
                throw TraceError(path: path, offset: UInt64(error.offset), cause: error.cause)
            }
            origins.append((written, records.offset))
            let isFirst = records.kind == PerfRecords.Kind.compressed
            guard isFirst || records.kind == PerfRecords.Kind.compressed2 else {
                // What follows it is of no use, and would have to be copied.
                if records.kind != PerfRecords.Kind.auxtrace, records.kind != PerfRecords.Kind.tracingData { try put(records.bytes.part(records.offset, records.size)) }
                continue
            }
            let start = isFirst ? 8 : 16
            guard records.size >= start else { throw TraceError(path: path, offset: UInt64(records.offset), cause: "a compressed record of \(records.size) bytes") }
            var count = records.size - start
            if !isFirst {
                let stated = records.record.u64(8)
                guard stated <= UInt64(count) else {
                    throw TraceError(path: path, offset: UInt64(records.offset), cause: "a compressed record states \(stated) bytes of data, it has \(count)")
                }
                count = Int(stated)
            }
            var input = ZSTD_inBuffer(src: records.bytes.base + records.offset + start, size: count, pos: 0)
            while true {
                var out = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
                let status = ZSTD_decompressStream(stream, &out, &input)
                guard ZSTD_isError(status) == 0 else {
                    throw TraceError(path: path, offset: UInt64(records.offset), cause: "zstd cannot unpack it (\(String(cString: ZSTD_getErrorName(status))))")
                }
                try take(UnsafeRawBufferPointer(rebasing: output[..<out.pos]))
                if input.pos >= input.size, out.pos < out.size { break }
            }
        }
        guard rest.isEmpty else { throw TraceError(path: path, offset: UInt64(records.offset), cause: "the compressed data ends in the middle of a record: the file is cut off") }
        guard written > 0 else { throw TraceError(path: path, offset: UInt64(records.offset), cause: "there is no record in it") }
        file = try MappedFile(descriptor: target, path: path)
        self.origins = origins
    }

    /// The place in the original of what lies at an offset.
    func original(_ offset: Int) -> Int {
        var (low, high) = (0, origins.count)
        while low < high {
            let middle = (low + high) / 2
            if origins[middle].unpacked <= offset { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? origins[low - 1].original : 0
    }
}

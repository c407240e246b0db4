import CZlib
import Foundation
import TestSupport
import Testing

@testable import TraceData

/// Files with zlib: Debian's trace-cmd writes zstd only, so they are made here from one that is not compressed.
@Suite(.enabled(if: Program.hasTraceCmd, "needs trace-cmd"))
struct ZlibTests {
    static func le<T: FixedWidthInteger>(_ value: T) -> Data { withUnsafeBytes(of: value.littleEndian) { Data($0) } }

    static func packed(_ data: Data) -> Data {
        var size = compressBound(uLong(data.count))
        var output = Data(count: Int(size))
        output.withUnsafeMutableBytes { out in
            data.withUnsafeBytes { _ = compress(out.bindMemory(to: Bytef.self).baseAddress, &size, $0.bindMemory(to: Bytef.self).baseAddress, uLong(data.count)) }
        }
        return le(UInt32(size)) + le(UInt32(data.count)) + output.prefix(Int(size))
    }

    /// Compresses the saved command lines and all trace data of a version 7 file that is not compressed.
    static func compressed(_ plain: Data, _ file: TraceFile, chunkPages: Int) throws -> Data {
        var bytes = plain
        // "none" and "zlib" have the same length: nothing moves.
        bytes.replaceSubrange(18..<22, with: Data("zlib".utf8))
        let table = try #require(bytes.range(of: file.buffer.cpus.prefix(1).reduce(Data()) { $0 + le(UInt32($1.cpu)) + le($1.offset) + le($1.size) }))
        // Before the table: u64 section, "" name, "local" clock, u32 page size, u32 count.
        let option = table.lowerBound - 8 - "local".utf8.count - 1 - 1 - 8
        let section = Int(bytes[option..<option + 8].enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) })
        #expect(bytes[section] == 3)
        bytes[section + 2] |= 1
        for (index, extent) in file.buffer.cpus.enumerated() {
            let data = plain[Int(extent.offset)..<Int(extent.offset + extent.size)]
            let step = chunkPages * file.pageSize
            let chunks = stride(from: data.startIndex, to: data.endIndex, by: step).map { packed(data[$0..<min($0 + step, data.endIndex)]) }
            let block = chunks.reduce(le(UInt32(chunks.count)), +)
            let entry = table.lowerBound + 20 * index
            bytes.replaceSubrange(entry + 4..<entry + 20, with: le(UInt64(bytes.count)) + le(UInt64(block.count - 4)))
            bytes += block
        }
        return bytes
    }

    @Test(arguments: [1, 3, 10])
    func chunksOfAnySizeGiveTheSameRecords(chunkPages: Int) throws {
        let source = Recordings.fixture("v4.12-threads-4cpu-plain.dat")
        try withTemporaryFile(Data()) { path in
            let command = "trace-cmd convert -i \"$0\" -o \"$1\" --compression none >/dev/null 2>&1"
            #expect(try Program.run("/bin/sh", "-c", command, source, path).status == 0)
            let plain = try TraceFile(path: path)
            let bytes = try Self.compressed(try Data(contentsOf: URL(fileURLWithPath: path)), plain, chunkPages: chunkPages)
            try withTemporaryFile(bytes) { zlib in
                let file = try TraceFile(path: zlib)
                #expect(file.compression == .zlib)
                #expect(try DamagedFileTests.digests(file) == DamagedFileTests.digests(plain))
            }
            // A byte of the data is wrong: its check sum tells.
            var damaged = bytes
            damaged[damaged.endIndex - 2] ^= 0xff
            let error = try #require(try DamagedFileTests.failure(of: damaged))
            #expect(error.cause.hasPrefix("chunk: zlib cannot unpack it"))
            // A size that the packed bytes cannot have.
            var lying = bytes
            let chunk = Int(try #require(try withTemporaryFile(bytes) { try TraceFile(path: $0) }.buffer.cpus.first).offset) + 4
            lying.replaceSubrange(chunk + 4..<chunk + 8, with: Self.le(UInt32(16 << 20)))
            #expect(try DamagedFileTests.failure(of: lying)?.cause.hasSuffix("zlib bytes cannot give the \(16 << 20) stated") == true)
            lying.replaceSubrange(chunk + 4..<chunk + 8, with: Self.le(UInt32(4095)))
            #expect(try DamagedFileTests.failure(of: lying)?.cause.hasPrefix("chunk states 4095 bytes unpacked") == true)
        }
    }
}

import Glibc
import TestSupport

@testable import TraceData

/// The data of one CPU: record by record, and in batches of several sizes, which must give the same records, errors and problems.
///
/// Input: a byte for the shape, one for the clock, the rest is the data.
enum SubbufferTarget {
    /// A record in words that two ways of reading must agree on.
    private struct Seen: Equatable {
        var time, word0, word1: UInt64
        var comm: Comm
        var cpu, pid: Int32
        var kind: Record.Kind
        var flags: UInt8
        var detail: Details
    }

    /// What one way of reading gave.
    private struct Reading: Equatable {
        var seen: [Seen] = []
        var records = 0
        var error: TraceError?
    }

    /// Files whose formats the data is read with: by byte order, size of long, and whether they have probe events.
    private static let files: [TraceFile] = {
        var list: [TraceFile] = []
        for name in ["v4.12-threads-4cpu-plain", "v4.13-threads-4cpu-truth", "v4.12i386-threads-4cpu-truth"] {
            for bigEndian in [false, true] {
                var head = try! Head(fixture: Recordings.fixture("\(name).dat"))
                head.bigEndian = bigEndian
                list.append(open(head, keepGoing: false))
            }
        }
        return list
    }()

    static func open(_ head: Head, keepGoing: Bool) -> TraceFile {
        let bytes = head.file().bytes
        return bytes.withUnsafeBytes { try! TraceFile(MappedFile(path: "fuzz", copying: $0), TraceFile.Options(keepGoing: keepGoing)) }
    }

    static func run(_ input: UnsafeRawBufferPointer) {
        guard input.count > 2 else { return }
        let file = files[Int(input[0]) % files.count]
        // Pages that may be smaller than any kernel's, for more of them in a short input.
        let size = [256, 512, 1024, 4096, 65536][Int(input[0] >> 4) % 5]
        let shape = SubbufferShape(bigEndian: file.isBigEndian, longSize: file.longSize, size: size)
        var conversion = TimeConversion()
        if input[1] & 1 != 0 { conversion.offset = UInt64(input[1]) << 56 }
        if input[1] & 2 != 0 { conversion.scale = (0x8000_0001, UInt32(input[1] >> 3)) }
        let compression: Compression? = input[1] & 4 != 0 ? (input[1] & 8 != 0 ? .zlib : .zstd) : nil
        // Memory of exactly this size, so that a byte behind it is seen.
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: input.count - 2, alignment: 1)
        defer { bytes.deallocate() }
        bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[2...]))
        func stream() -> CPUStream {
            CPUStream(
                cpu: Int(input[1] >> 6),
                pages: SubbufferSource(
                    file: unread, bytes: UnsafeRawBufferPointer(bytes), offset: 4096, shape: shape, compression: compression),
                conversion: conversion, trace: file)
        }
        let expected = oneByOne(stream(), file)
        for capacity in [1, 7, 4096] {
            let found = batched(stream(), capacity)
            demand(found.error == expected.error, "batches of \(capacity) end with \(String(describing: found.error)), records with \(String(describing: expected.error))")
            demand(found.records == expected.records, "batches of \(capacity) count \(found.records) records, the stream has \(expected.records)")
            if found.seen != expected.seen {
                let place = zip(found.seen, expected.seen).enumerated().first { $0.element.0 != $0.element.1 }
                demand(false, "batches of \(capacity) hold other records than the stream: \(found.seen.count) and \(expected.seen.count), \(place.map { "\($0)" } ?? "all alike up to there")")
            }
        }
    }

    private static let unread = [UInt8(0)].withUnsafeBytes { MappedFile(path: "fuzz", copying: $0) }

    private static func oneByOne(_ stream: CPUStream, _ file: TraceFile) -> Reading {
        var reading = Reading()
        var record = Record.none
        do throws(TraceError) {
            while try stream.next(&record) {
                if record.kind != .lost { reading.records += 1 }
                // Any field of any record can be looked at.
                for (_, value) in file.formats.fields(of: record) {
                    if case .numbers(let bytes, let size, _) = value, bytes.count >= size { _ = file.formats.number(bytes, bytes.count / size - 1, size: size) }
                }
                if record.kind == .other { continue }
                let time = record.kind == .lost && record.word1 > 0 ? record.word1 : record.time
                reading.seen.append(
                    Seen(
                        time: time, word0: record.word0, word1: record.word1,
                        comm: record.kind == .schedSwitch ? file.formats.schedSwitchComms(record).next : .empty, cpu: record.cpu,
                        pid: record.pid, kind: record.kind, flags: record.flags, detail: Details(record, file.formats)))
            }
        } catch { reading.error = error }
        return reading
    }

    private static func batched(_ stream: CPUStream, _ capacity: Int) -> Reading {
        var reading = Reading()
        let reader = BatchReader(stream, from: BatchPool(capacity: capacity), probes: true, queue: nil)
        while true {
            let batch = reader.next()
            reading.records += batch.records
            var place = batch.start
            while place < batch.end {
                let held = Held(place)
                reading.seen.append(
                    Seen(
                        time: held.time, word0: held.word0, word1: held.word1, comm: held.kind == .schedSwitch ? held.comm : .empty,
                        cpu: held.cpu, pid: held.pid, kind: held.kind, flags: held.flags, detail: batch[held]))
                place += 1
            }
            if batch.isLast {
                reading.error = batch.error
                return reading
            }
        }
    }
}

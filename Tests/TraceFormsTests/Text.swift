import Foundation
import TestSupport
import TraceData
import TraceForms

/// A text of ftrace, and what is read of it.
enum Text {
    /// A record in short: its time, CPU, pid, flags and what its event has.
    struct Seen: Equatable {
        var time: UInt64
        var cpu: Int
        var pid: Int32
        var event: String
        /// Values by name, integers in decimal.
        var fields: [String: String]
        var flags: UInt8

        subscript(_ field: String) -> String? { fields[field] }
    }

    /// Opens a text and gives all records in the order of time; a gap is an event "lost".
    static func read(_ text: String, keepGoing: Bool = false, kernel: String? = nil, buffer: String? = nil) throws -> [Seen] {
        try open(Data(text.utf8), keepGoing: keepGoing, kernel: kernel, buffer: buffer) { try records($0) }
    }

    static func open<R>(
        _ data: Data, keepGoing: Bool = false, kernel: String? = nil, buffer: String? = nil, _ body: (TraceFile) throws -> R
    ) throws -> R {
        try withTemporaryFile(data) { path in
            try body(try openTrace(path, options: TraceFile.Options(buffer: buffer, keepGoing: keepGoing), kernel: kernel))
        }
    }

    /// What opening a text throws; nil if nothing.
    static func failure(_ text: String) throws -> TraceError? { try failure(Data(text.utf8)) }

    static func failure(_ data: Data) throws -> TraceError? {
        do {
            _ = try open(data) { try records($0) }
            return nil
        } catch let error as TraceError {
            return error
        }
    }

    static func records(_ file: TraceFile) throws -> [Seen] {
        var merge = RecordMerge(file)
        var record = Record.none
        var list: [Seen] = []
        while try merge.next(&record) {
            if record.kind == .lost {
                list.append(Seen(time: record.time, cpu: Int(record.cpu), pid: -1, event: "lost", fields: ["events": "\(record.word0)"], flags: 0))
                continue
            }
            var fields: [String: String] = [:]
            for (name, value) in file.formats.fields(of: record) {
                fields[name] =
                    switch value {
                    case .signed(let number): "\(number)"
                    case .unsigned(let number), .hex(let number): "\(number)"
                    case .text(let bytes): String(decoding: bytes, as: UTF8.self)
                    case .numbers: "numbers"
                    }
            }
            list.append(
                Seen(
                    time: record.time, cpu: Int(record.cpu), pid: record.pid, event: file.formats.event(of: record)?.name ?? "", fields: fields,
                    flags: record.flags))
        }
        return list
    }

    /// A line of the kernel's text with irq-info.
    static func line(_ body: String, name: String = "bash", pid: Int = 100, cpu: Int = 0, time: String = "5.000100", flags: String = "d..2.") -> String {
        "\(String(repeating: " ", count: max(0, 16 - name.utf8.count)))\(name)-\(pid)\(String(repeating: " ", count: max(0, 7 - "\(pid)".count))) [00\(cpu)] \(flags) \(time): \(body)\n"
    }

    static let flush = "tlb_flush: pages:-1 reason:flush on task switch (0)"
}

import Glibc

/// What the names of events in a text mean, by name: the loop over lines looks them up and makes no strings.
///
/// Names that are not known become known as those of events that are not read, and are counted; not any number of them.
final class EventNames {
    /// What is to be done with the lines of an event.
    enum Kind: Equatable {
        case schedSwitch, tlbFlush, newTask, rename, fork, exec, exit
        /// A line of trace_marker: `tracing_mark_write` in the kernel's text, `print` in that of trace-cmd.
        case marker, print
        /// A probe event, by its place among those of the text.
        case probe(Int)
        /// Not read.
        case other

        var isProbe: Bool { if case .probe = self { true } else { false } }
    }

    struct Entry {
        var name: UnsafePointer<UInt8>
        var count: Int
        var kind: Kind
        /// Lines of an event that is not read.
        var lines = 0
    }

    private(set) var entries: [Entry] = []
    /// Indices of ``entries`` + 1 by hash, 0 for a free place.
    private var slots = [UInt16](repeating: 0, count: 4096)
    /// Lines of events beyond the limit.
    private(set) var linesOfMore = 0
    private static let limit = 1024

    init(_ known: [(String, Kind)]) {
        for (name, kind) in known { add(Array(name.utf8), kind) }
    }

    deinit { for entry in entries { entry.name.deallocate() } }

    /// Kind of the event of a name.
    @inline(__always)
    func kind(_ name: UnsafePointer<UInt8>, _ count: Int) -> Kind {
        var slot = Self.hash(name, count)
        while true {
            let place = Int(slots[slot])
            if place == 0 { return .other }
            let entry = entries[place - 1]
            if entry.count == count, memcmp(entry.name, name, count) == 0 { return entry.kind }
            slot = (slot + 1) & 4095
        }
    }

    /// Counts a line of an event that is not read.
    func skip(_ name: UnsafePointer<UInt8>, _ count: Int) {
        var slot = Self.hash(name, count)
        while slots[slot] != 0 {
            let place = Int(slots[slot]) - 1
            if entries[place].count == count, memcmp(entries[place].name, name, count) == 0 {
                entries[place].lines += 1
                return
            }
            slot = (slot + 1) & 4095
        }
        guard entries.count < Self.limit else {
            linesOfMore += 1
            return
        }
        add(Array(UnsafeBufferPointer(start: name, count: count)), .other)
        entries[entries.count - 1].lines = 1
    }

    private func add(_ name: [UInt8], _ kind: Kind) {
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, name.count))
        copy.initialize(from: name, count: name.count)
        entries.append(Entry(name: UnsafePointer(copy), count: name.count, kind: kind))
        var slot = Self.hash(UnsafePointer(copy), name.count)
        while slots[slot] != 0 { slot = (slot + 1) & 4095 }
        slots[slot] = UInt16(entries.count)
    }

    @inline(__always)
    private static func hash(_ name: UnsafePointer<UInt8>, _ count: Int) -> Int {
        guard count > 0 else { return 0 }
        let mixed = UInt64(count) &+ UInt64(name[0]) << 8 &+ UInt64(name[count - 1]) << 16 &+ UInt64(name[count / 2]) << 24 &+ UInt64(name[count * 3 / 4]) << 32
        return Int(truncatingIfNeeded: (mixed &* 0x9e37_79b9_7f4a_7c15) >> 52)
    }

    /// How many lines were not read, and of which events, the most frequent first.
    var skipped: (lines: Int, events: [(name: String, lines: Int)]) {
        let others = entries.filter { $0.lines > 0 }.map { (String(decoding: UnsafeBufferPointer(start: $0.name, count: $0.count), as: UTF8.self), $0.lines) }
        return (others.reduce(linesOfMore) { $0 + $1.1 }, others.sorted { ($1.1, $0.0) < ($0.1, $1.0) })
    }
}

@testable import TraceData

/// The metadata that is text: event formats, and options and names of tasks in a file that has nothing else.
///
/// Input: a byte for what it is, one for its further choice, the rest is the text.
func fuzzFormats(_ input: UnsafeRawBufferPointer) {
    guard input.count >= 2 else { return }
    let text = UnsafeRawBufferPointer(rebasing: input[2...])
    switch input[0] % 4 {
    case 0, 1: format(text, input[1], bigEndian: input[0] % 4 == 1)
    case 2:
        var head = Head()
        head.withData = []
        head.options = [(UInt16(input[1]), Array(text))]
        open(head)
    default:
        var head = Head()
        head.withData = []
        head.commandLines = Array(text)
        open(head)
    }
}

private func open(_ head: Head) {
    let bytes = head.file().bytes
    for keepGoing in [false, true] {
        _ = bytes.withUnsafeBytes { try? TraceFile(MappedFile(path: "fuzz", copying: $0), TraceFile.Options(keepGoing: keepGoing)) }
    }
}

/// Parses the text as a format and reads records with it that are just as long as they must be.
private func format(_ text: UnsafeRawBufferPointer, _ choice: UInt8, bigEndian: Bool) {
    let systems = ["sched", "tlb", "task", "ftrace", "kprobes", "other"]
    let formats = EventFormats(
        [EventFormats.Source(system: systems[Int(choice & 0x7f) % systems.count], text: text)], bigEndian: bigEndian, longSize: choice & 0x80 != 0 ? 4 : 8)
    for event in formats.events {
        let entry = formats.layout.entries[event.id]
        for size in [Int(entry.minimum), Int(entry.minimum) + 20] {
            let data = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
            defer { data.deallocate() }
            for index in data.indices { data[index] = UInt8(truncatingIfNeeded: index &* 37 &+ Int(choice)) }
            var record = Record.none
            record.eventID = UInt16(event.id)
            record.kind = entry.kind
            record.data = UnsafeRawBufferPointer(data)
            for (_, value) in formats.fields(of: record) {
                if case .numbers(let bytes, let size, _) = value, bytes.count >= size { _ = formats.number(bytes, bytes.count / size - 1, size: size) }
            }
            _ = Details(record, formats)
            _ = formats.schedSwitchComms(record)
            _ = formats.schedSwitchPriorities(record)
            let hot = formats.layout.hot
            if entry.kind == .schedSwitch {
                for ref in [hot.prevPID, hot.nextPID, hot.prevState] { _ = ref.load(record.data.baseAddress!, bigEndian) }
            }
            if entry.kind == .tlbFlush { for ref in [hot.reason, hot.pages] { _ = ref.load(record.data.baseAddress!, bigEndian) } }
        }
    }
}

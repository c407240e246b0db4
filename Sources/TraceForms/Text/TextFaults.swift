/// What is wrong with a line, in words.
extension TextConversion {
    func describe(_ fault: LineHead.Fault, _ line: UnsafeRawBufferPointer) -> String {
        switch fault {
        case .noHead:
            option(line) ?? "not a line of ftrace's text, which has a task, a CPU, a time and an event: \(quoted(line))"
        case .cpu(let number): "CPU \(number), the limit is \(Self.cpuLimit - 1)"
        case .pid: "the pid is beyond 32 bits: \(quoted(line))"
        case .time: "the time cannot be understood: \(quoted(line))"
        case .relativeTime:
            "times count from the first event, as the kernel's latency-format has them: echo 0 > options/latency-format"
        }
    }

    /// What the kernel prints with another value of an option.
    private static func printed(by option: String, not value: Int) -> String { "as the kernel's option \(option) prints events, which is not read: echo \(value) > options/\(option)" }

    /// The option by which the first lines have no head: print_raw_fmt() and print_hex_fmt() (kernel/trace/trace.c), both with pid, CPU and time, or an event alone; nil if it is none of these.
    private func option(_ line: UnsafeRawBufferPointer) -> String? {
        guard facts.records == 0, !line.isEmpty else { return nil }
        let end = line.endPointer
        let words = line.split(separator: 0x20, maxSplits: 3, omittingEmptySubsequences: false).map { TextCursor(end - (line.endIndex - $0.startIndex), $0.endPointer) }
        if words.count == 4 {
            func all(_ take: (inout TextCursor) -> UInt64?) -> Bool { words.indices.dropLast().allSatisfy { var word = words[$0]; return take(&word) != nil && word.isAtEnd } }
            if words.dropLast().map(\.count) == [8, 8, 16], all({ $0.hex() }) { return Self.printed(by: "hex", not: 0) }
            if all({ $0.decimal() }) { return Self.printed(by: "raw", not: 0) }
        }
        guard words.count > 1, words[0].count > 1, words[0].end[-1] == UInt8(ascii: ":"), names.kind(words[0].next, words[0].count - 1) != .other else { return nil }
        return Self.printed(by: "context-info", not: 1)
    }

    /// A text of an event that cannot be understood: a name in it may go on with the next line.
    func incomplete(_ event: String, _ body: TextCursor) -> Fault {
        // The first one is that only if its fields come in another order.
        if fields != nil, facts.records < 2 { return .incomplete(Self.printed(by: "fields", not: 0)) }
        return .incomplete("the text of \(event) cannot be understood: \(quoted(UnsafeRawBufferPointer(start: body.next, count: body.count), limit: 120))")
    }

    func describe(_ fault: ProbeText.Fault, _ name: String, _ body: TextCursor) -> String {
        if FieldsText.isOne(body) { return Self.printed(by: "fields", not: 0) }
        let text = quoted(UnsafeRawBufferPointer(start: body.next, count: body.count), limit: 120)
        return switch fault {
        case .form: "\(name) is not written as a probe event is: \(text)"
        case .argument: "\(name) has an argument that cannot be understood, or that its first line does not have: \(text)"
        case .tooMany: "\(name) has more arguments than a probe event can have: \(text)"
        }
    }
}

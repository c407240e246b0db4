import TraceSynth

@testable import TraceData

/// The metadata of a version 6 file in either byte order, behind which the records of a script are put.
struct Head {
    var bigEndian = false
    var longSize = 8
    var pageSize = 4096
    var uname = "Linux fuzz 4.12.4-lab x86_64"
    var clock = "[mono]"
    /// System and text.
    var formats: [(system: String, text: [UInt8])] = []
    var commandLines: [UInt8] = []
    var cpus = 4
    /// The CPUs that have data, ascending, and how many sub-buffers each has.
    var withData = [0, 1, 2, 3]
    var pages = 4
    /// Further options.
    var options: [(id: UInt16, data: [UInt8])] = []

    /// Bytes in the file's byte order.
    struct Writer {
        var bytes: [UInt8] = []
        let bigEndian: Bool

        mutating func put<T: FixedWidthInteger>(_ value: T) {
            withUnsafeBytes(of: bigEndian ? value.bigEndian : value.littleEndian) { bytes.append(contentsOf: $0) }
        }

        mutating func put(text: String) { bytes += Array(text.utf8) + [0] }
    }

    /// A whole file whose sub-buffers are all empty, and where each CPU's first one begins.
    func file() -> (bytes: [UInt8], offsets: [Int]) {
        var out = Writer(bigEndian: bigEndian)
        out.bytes = [0x17, 0x08, 0x44] + Array("tracing6\0".utf8) + [bigEndian ? 1 : 0, UInt8(longSize)]
        out.put(UInt32(pageSize))
        out.put(text: "header_page")
        let page = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:\(longSize);\tsigned:1;\n"
        out.put(UInt64(page.utf8.count))
        out.bytes += Array(page.utf8)
        out.put(text: "header_event")
        out.put(UInt64(0))
        let own = formats.filter { $0.system == "ftrace" }
        out.put(UInt32(own.count))
        for format in own { put(format.text, &out) }
        let systems = Dictionary(grouping: formats.filter { $0.system != "ftrace" }, by: \.system).sorted { $0.key < $1.key }
        out.put(UInt32(systems.count))
        for (system, formats) in systems {
            out.put(text: system)
            out.put(UInt32(formats.count))
            for format in formats { put(format.text, &out) }
        }
        out.put(UInt32(0))
        out.put(UInt32(0))
        put(commandLines, &out)
        out.put(UInt32(cpus))
        out.put(text: "options  ")
        option(4, Array(clock.utf8) + [0], &out)
        option(5, Array(uname.utf8) + [0], &out)
        for (id, data) in options { option(id, data, &out) }
        out.put(UInt16(0))
        out.put(text: "flyrecord")
        let clockText = Array(clock.utf8) + [0]
        var offset = (out.bytes.count + 16 * cpus + 8 + clockText.count + pageSize - 1) / pageSize * pageSize
        let start = offset
        var offsets: [Int] = []
        for cpu in 0..<cpus {
            let size = withData.contains(cpu) ? pages * pageSize : 0
            if size > 0 { offsets.append(offset) }
            out.put(UInt64(offset))
            out.put(UInt64(size))
            offset += size
        }
        put(clockText, &out)
        out.bytes += [UInt8](repeating: 0, count: start + withData.count * pages * pageSize - out.bytes.count)
        return (out.bytes, offsets)
    }

    private func put(_ text: [UInt8], _ out: inout Writer) {
        out.put(UInt64(text.count))
        out.bytes += text
    }

    private func option(_ id: UInt16, _ data: [UInt8], _ out: inout Writer) {
        out.put(id)
        out.put(UInt32(data.count))
        out.bytes += data
    }
}

extension Head {
    /// The formats that the replay uses, of a recording, and its kernel.
    init(fixture path: String) throws {
        let file = try MappedFile(path: path)
        let container = try Container(file, keepGoing: false)
        let parser = FormatParser(bigEndian: container.bigEndian, longSize: container.longSize)
        longSize = container.longSize
        uname = container.uname ?? uname
        defer { withExtendedLifetime((file, container)) {} }
        for source in container.formats {
            if case .success(let (event, _)) = parser.parse(source.text, system: source.system), event.kind != .other || formats.count < 2 {
                formats.append((source.system, Array(source.text)))
            }
        }
        commandLines = Array("1 init\n2 kthreadd\n3 ksoftirqd/0\n100 bash\n101 wl\n".utf8)
    }
}

extension Head {
    /// A version 7 file without compression: the formats, the names of tasks, and one sub-buffer of CPU 0.
    func version7() -> [UInt8] {
        var out = Writer(bigEndian: bigEndian)
        out.bytes = [0x17, 0x08, 0x44] + Array("tracing7\0".utf8) + [bigEndian ? 1 : 0, UInt8(longSize)]
        out.put(UInt32(pageSize))
        out.put(text: "none")
        out.put(text: "")
        let first = out.bytes.count
        out.put(UInt64(0))
        var list: [(id: UInt16, data: [UInt8])] = []
        func section(_ id: UInt16, _ body: (inout Writer) -> Void) {
            var content = Writer(bigEndian: bigEndian)
            body(&content)
            var place = Writer(bigEndian: bigEndian)
            place.put(UInt64(out.bytes.count))
            list.append((id, place.bytes))
            out.put(id)
            out.put(UInt16(0))
            out.put(UInt32(0))
            out.put(UInt64(content.bytes.count))
            out.bytes += content.bytes
        }
        section(16) { content in
            content.put(text: "header_page")
            let page = "\tfield: local_t commit;\toffset:8;\tsize:\(longSize);\tsigned:1;\n"
            content.put(UInt64(page.utf8.count))
            content.bytes += Array(page.utf8)
            content.put(text: "header_event")
            content.put(UInt64(0))
        }
        section(17) { content in content.put(UInt32(0)) }
        section(18) { content in
            content.put(UInt32(formats.count))
            for format in formats {
                content.put(text: format.system)
                content.put(UInt32(1))
                content.put(UInt64(format.text.count))
                content.bytes += format.text
            }
        }
        section(21) { content in
            content.put(UInt64(commandLines.count))
            content.bytes += commandLines
        }
        let buffer = out.bytes.count
        section(3) { content in
            content.bytes = [UInt8](repeating: 0, count: 32)
            content.bytes[8] = 16
            content.bytes[16] = 29
        }
        list.removeLast()
        var option = Writer(bigEndian: bigEndian)
        option.put(UInt64(buffer))
        option.put(text: "")
        option.put(text: "mono")
        option.put(UInt32(pageSize))
        option.put(UInt32(1))
        option.put(UInt32(0))
        option.put(UInt64(buffer + 16))
        option.put(UInt64(32))
        list.append((3, option.bytes))
        list.append((0, [UInt8](repeating: 0, count: 8)))
        var options = Writer(bigEndian: bigEndian)
        for (id, data) in list {
            options.put(id)
            options.put(UInt32(data.count))
            options.bytes += data
        }
        var place = Writer(bigEndian: bigEndian)
        place.put(UInt64(out.bytes.count))
        out.bytes.replaceSubrange(first..<first + 8, with: place.bytes)
        out.put(UInt16(0))
        out.put(UInt16(0))
        out.put(UInt32(0))
        out.put(UInt64(options.bytes.count))
        out.bytes += options.bytes
        return out.bytes
    }
}

/// Version 7 of trace.dat: sections in any order, found through options, any of them compressed (trace-cmd.dat.v7(5)).
extension Container {
    /// Where a section's content begins, and how it is stored.
    private struct Section {
        var id: UInt16
        var isCompressed: Bool
        var content: UnsafeRawBufferPointer
        var offset: UInt64
    }

    /// A BUFFER option, read when all options are known.
    private struct BufferOption {
        var data: ByteCursor
        var isText: Bool
    }

    mutating func readVersion7(_ cursor: inout ByteCursor, _ file: MappedFile, keepGoing: Bool) throws(TraceError) {
        let start = cursor.position
        let name = try cursor.string("the compression's name", limit: 64)
        guard let known = Compression(rawValue: name) else {
            throw cursor.error("compression \"\(name)\" is not supported, expected none, zlib or zstd", at: start)
        }
        compression = known
        compressorVersion = try cursor.string("the compression's version", limit: 256)
        let first = try cursor.u64("the place of the first options")

        var places: [UInt16: (offset: UInt64, at: ByteCursor)] = [:]
        var bufferOptions: [BufferOption] = []
        try attempt(keepGoing) { (container) throws(TraceError) in
            try container.readOptionSections(file, first: first, &places, &bufferOptions)
        }
        try readSection(OptionID.headerInfo, "header info", places, file, keepGoing) { (container, section) throws(TraceError) in
            try container.readHeaderInfo(&section)
        }
        try readSection(OptionID.ftraceEvents, "ftrace event formats", places, file, keepGoing) { (container, section) throws(TraceError) in
            try container.readFtraceFormats(&section)
        }
        try readSection(OptionID.eventFormats, "event formats", places, file, keepGoing) { (container, section) throws(TraceError) in
            try container.readEventFormats(&section)
        }
        try readSection(OptionID.commandLines, "saved command lines", places, file, keepGoing) { (container, section) throws(TraceError) in
            try container.readCommandLines(&section)
        }
        var names: Set<String> = []
        for option in try limited(bufferOptions, keepGoing: keepGoing, place: { ($0.data, 0) }) {
            try attempt(keepGoing) { (container) throws(TraceError) in
                let buffer = try container.readBuffer(option, file, keepGoing: keepGoing)
                guard names.insert(buffer.name).inserted else {
                    throw option.data.error("a second buffer named \"\(buffer.name)\"", at: 0)
                }
                container.buffers.append(buffer)
            }
        }
        buffers.sort { $0.name.isEmpty && !$1.name.isEmpty }
        // Where a part cannot be read, it is not known what else there is.
        if problems.isEmpty { try attempt(keepGoing) { (container) throws(TraceError) in try container.demandEnd(file) } }
    }

    /// Behind the last section that is known there may be others, and zeros, but no other file.
    private func demandEnd(_ file: MappedFile) throws(TraceError) {
        var cursor = ByteCursor(file.bytes, bigEndian: bigEndian, place: ByteCursor.Place(path: file.path, base: 0), position: end)
        while !cursor.isAtEnd {
            var next = cursor
            do throws(TraceError) {
                try next.skip(8, "a section's id")
                try next.skip(try next.u64("a section's size"), "a section")
            } catch { break }
            cursor = next
        }
        let rest = file.bytes[cursor.position...]
        // trace-cmd's names of sections are the last one. Nothing needs them, even if they are cut off.
        let strings: [UInt8] = bigEndian ? [0, UInt8(OptionID.strings)] : [UInt8(OptionID.strings), 0]
        if rest.starts(with: strings.prefix(rest.count)) { return }
        guard rest.contains(where: { $0 != 0 }) else { return }
        throw cursor.error("the file goes on for \(cursor.remaining) bytes behind its last section")
    }

    /// Follows the chain of options sections, which may not come back to where it was.
    private mutating func readOptionSections(
        _ file: MappedFile, first: UInt64, _ places: inout [UInt16: (offset: UInt64, at: ByteCursor)],
        _ bufferOptions: inout [BufferOption]
    ) throws(TraceError) {
        var next = first
        var seen: Set<UInt64> = []
        while next != 0 {
            guard seen.insert(next).inserted else {
                throw TraceError(path: file.path, offset: next, cause: "the options sections form a loop")
            }
            let section = try openSection(file, at: next, id: OptionID.done, "options")
            var cursor = try content(of: section, file, "options")
            next = 0
            while true {
                let id = try cursor.u16("an option's id")
                let size = try cursor.u32("an option's size")
                let start = cursor.position
                let data = try cursor.take(UInt64(size), "option \(id)")
                var place = cursor.place
                if !place.unpacked { place.base += UInt64(start) }
                var inner = ByteCursor(data, bigEndian: bigEndian, place: place)
                if id == OptionID.done {
                    next = try inner.u64("the place of the next options")
                    break
                }
                try add(TraceOption(id: Int(id), size: Int(size)), at: cursor)
                switch id {
                case OptionID.buffer, OptionID.bufferText:
                    bufferOptions.append(BufferOption(data: inner, isText: id == OptionID.bufferText))
                case 16...21:
                    let at = inner
                    places[id] = (try inner.u64("the place of section \(id)"), at)
                default:
                    try take(id, inner)
                }
            }
        }
    }

    /// Reads one of the sections that options point to. A section that is not there is no error here.
    private mutating func readSection(
        _ id: UInt16, _ what: String, _ places: [UInt16: (offset: UInt64, at: ByteCursor)], _ file: MappedFile, _ keepGoing: Bool,
        _ body: (inout Container, inout ByteCursor) throws(TraceError) -> Void
    ) throws(TraceError) {
        guard let (offset, at) = places[id], offset != 0 else { return }
        guard offset < UInt64(file.bytes.count) else {
            let error = at.error("truncated: section \(id) (\(what)) begins at byte \(offset), the file has \(file.bytes.count)", at: 0)
            guard keepGoing else { throw error }
            problems.append(TraceProblem(error))
            return
        }
        try attempt(keepGoing) { (container) throws(TraceError) in
            let section = try container.openSection(file, at: offset, id: id, what)
            var cursor = try container.content(of: section, file, what)
            try body(&container, &cursor)
        }
    }

    /// Reads a section's header: u16 id, u16 flags, u32 description, u64 size of what follows.
    private mutating func openSection(_ file: MappedFile, at offset: UInt64, id: UInt16, _ what: String) throws(TraceError) -> Section {
        let place = ByteCursor.Place(path: file.path, base: 0)
        guard offset < UInt64(file.bytes.count) else {
            throw TraceError(
                path: file.path, offset: UInt64(file.bytes.count),
                cause: "truncated: section \(id) (\(what)) begins at byte \(offset), the file has \(file.bytes.count)")
        }
        var cursor = ByteCursor(file.bytes, bigEndian: bigEndian, place: place, position: Int(offset))
        let found = try cursor.u16("a section's id")
        guard found == id else {
            throw cursor.error("expected section \(id) (\(what)), found section \(found)", at: Int(offset))
        }
        let flags = try cursor.u16("a section's flags")
        _ = try cursor.u32("a section's description")
        let size = try cursor.u64("a section's size")
        let start = cursor.position
        // The data of a buffer is found by its own table; whether all of it is there is checked per CPU.
        let content = id == OptionID.buffer ? UnsafeRawBufferPointer(rebasing: file.bytes[start...]) : try cursor.take(size, what)
        if size <= UInt64(file.bytes.count - start) { end = max(end, start + Int(size)) }
        return Section(id: id, isCompressed: flags & 1 != 0, content: content, offset: UInt64(start))
    }

    /// The content of a section, unpacked if it is compressed.
    private mutating func content(of section: Section, _ file: MappedFile, _ what: String) throws(TraceError) -> ByteCursor {
        var place = ByteCursor.Place(path: file.path, base: section.offset)
        var cursor = ByteCursor(section.content, bigEndian: bigEndian, place: place)
        guard section.isCompressed else { return cursor }
        let packedSize = try cursor.u32("the compressed size of section \(section.id)")
        let size = Int(try cursor.u32("the unpacked size of section \(section.id)"))
        let packed = try cursor.take(UInt64(packedSize), "section \(section.id) (\(what)), compressed")
        let left = Self.unpackedLimit - unpacked
        guard size <= left else {
            throw cursor.error(
                "section \(section.id) (\(what)) states \(size) bytes unpacked, the limit for all sections is \(Self.unpackedLimit), of which \(left) are left",
                at: 4)
        }
        if let wrong = compression.implausible(packed, size: size) {
            throw cursor.error("section \(section.id) (\(what)): \(wrong)", at: 8)
        }
        let buffer = UnpackBuffer()
        let output = buffer.prepare(size)
        if let wrong = compression.unpack(packed, into: output) {
            throw cursor.error("section \(section.id) (\(what)): \(wrong)", at: 8)
        }
        storage.append(buffer)
        unpacked += size
        place.unpacked = true
        return ByteCursor(UnsafeRawBufferPointer(output), bigEndian: bigEndian, place: place)
    }

    private mutating func readBuffer(_ option: BufferOption, _ file: MappedFile, keepGoing: Bool) throws(TraceError) -> TraceBuffer {
        var cursor = option.data
        let offset = try cursor.u64("the place of a buffer")
        let name = try cursor.string("the name of a buffer")
        let clockName = try cursor.string("the clock of a buffer")
        let clock = Clock(name: clockName, scaled: time.scale != nil)
        var buffer = TraceBuffer(name: name, clock: clock, pageSize: pageSize, cpus: [], compressed: false, isText: option.isText)
        if option.isText { return buffer }
        buffer.pageSize = try Self.pageSize(&cursor, "the page size of buffer \"\(name)\"")
        let count = try cursor.u32("the number of CPUs of a buffer")
        guard UInt64(count) * 20 <= UInt64(cursor.remaining) else {
            throw cursor.error("truncated: buffer \"\(name)\" states \(count) CPUs in \(cursor.remaining) bytes")
        }
        buffer.compressed = try openSection(file, at: offset, id: OptionID.buffer, "the data of buffer \"\(name)\"").isCompressed
        try addExtents(Int(count), at: cursor)
        var seen: Set<Int> = []
        for _ in 0..<count {
            let position = cursor.position
            let cpu = Int(try cursor.u32("a CPU's number"))
            let offset = try cursor.u64("the place of a CPU's data")
            let size = try cursor.u64("the size of a CPU's data")
            guard cpu < Self.cpuLimit else { throw cursor.error("CPU number \(cpu) in buffer \"\(name)\"", at: position) }
            guard seen.insert(cpu).inserted else {
                throw cursor.error("buffer \"\(name)\" has CPU \(cpu) twice", at: position)
            }
            let extent = TraceBuffer.Extent(cpu: cpu, offset: offset, size: size)
            buffer.cpus.append(
                try checkExtent(extent, fileSize: file.bytes.count, at: cursor, position: position, keepGoing: keepGoing))
            cpuCount = max(cpuCount, cpu + 1)
        }
        // Each of them has 20 bytes.
        if cursor.remaining >= 20 {
            let error = cursor.error("buffer \"\(name)\" states \(count) CPUs, and has the places of more")
            guard keepGoing else { throw error }
            problems.append(TraceProblem(error))
        }
        // Beyond its section, the stated size may leave out the number of chunks, as trace-cmd's does.
        let last = buffer.cpus.map { Int($0.offset + $0.size) }.max() ?? 0
        if last > end { end = min(last + (buffer.compressed ? 4 : 0), file.bytes.count) }
        buffer.cpus.sort { $0.cpu < $1.cpu }
        try checkOverlaps(&buffer, at: option.data, keepGoing: keepGoing)
        return buffer
    }
}

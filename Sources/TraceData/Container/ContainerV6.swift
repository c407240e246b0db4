/// Version 6 of trace.dat: all parts in a fixed order, nothing compressed (trace-cmd.dat.v6(5), and read_headers_v6() of
/// lib/trace-cmd/trace-input.c for the options, which the manual page says nothing of).
extension Container {
    mutating func readVersion6(_ cursor: inout ByteCursor, keepGoing: Bool) throws(TraceError) {
        do {
            try readParts(&cursor, keepGoing: keepGoing)
        } catch {
            // What follows a part that cannot be read cannot be found, either: whatever was read before is what there is.
            guard keepGoing else { throw error }
            problems.append(TraceProblem(error))
        }
    }

    private mutating func readParts(_ cursor: inout ByteCursor, keepGoing: Bool) throws(TraceError) {
        let (kernels, place) = try readHeaderInfo(&cursor)
        // Some versions of trace-cmd read less than a sub-buffer at once, none reads more.
        if let kernels, pageSize > kernels {
            let error = cursor.error("header_page tells of sub-buffers of \(kernels) bytes, the file's head of \(pageSize)", at: place)
            guard keepGoing else { throw error }
            problems.append(TraceProblem(error))
            pageSize = kernels
        }
        try readFtraceFormats(&cursor)
        try readEventFormats(&cursor)
        try cursor.skip(UInt64(try cursor.u32("the size of kallsyms")), "kallsyms")
        try cursor.skip(UInt64(try cursor.u32("the size of the printk formats")), "the printk formats")
        try readCommandLines(&cursor)
        let count = Int(try cursor.u32("the number of CPUs"))
        guard count <= Self.cpuLimit else { throw cursor.error("\(count) CPUs are stated", at: cursor.position - 4) }
        cpuCount = count

        var word = try dataWord(&cursor)
        var instances: [(name: String, offset: UInt64, at: Int)] = []
        if word == .options {
            instances = try readOptions(&cursor)
            word = try dataWord(&cursor)
        }
        let clock = traceClock ?? Clock(name: "local")
        buffers.append(try readBuffer(&cursor, "", word, clock, keepGoing: keepGoing))
        // Old versions of trace-cmd corrupted the text: then `local` is taken, as trace-cmd does.
        if traceClock != nil { traceClock = readTraceClockText(&cursor).map { Clock(traceClockFile: $0) } ?? Clock(name: "local") }
        end = cursor.position
        let scaled = time.scale != nil
        buffers[0].clock = Clock(name: traceClock?.name ?? "local", scaled: scaled)
        for instance in try limited(instances, keepGoing: keepGoing, place: { (cursor, $0.at) }) {
            try attempt(keepGoing) { (container) throws(TraceError) in
                guard instance.offset < UInt64(cursor.bytes.count) else {
                    throw cursor.error("truncated: buffer \"\(instance.name)\" begins at byte \(instance.offset)", at: instance.at)
                }
                var there = ByteCursor(
                    cursor.bytes, bigEndian: container.bigEndian, place: cursor.place, position: Int(instance.offset))
                let word = try container.dataWord(&there)
                let clock = container.buffers[0].clock
                let buffer = try container.readBuffer(&there, instance.name, word, clock, keepGoing: keepGoing)
                container.buffers.append(buffer)
                // It is the top buffer's once more.
                if container.traceClock != nil { _ = container.readTraceClockText(&there) }
                container.end = max(container.end, there.position)
            }
        }
        try checkEnd(cursor, keepGoing: keepGoing)
    }

    /// Behind the data of the last CPU there is nothing, but for the table of an instance without data: what goes on is the data of a CPU that the tables do not name.
    private mutating func checkEnd(_ cursor: ByteCursor, keepGoing: Bool) throws(TraceError) {
        guard problems.isEmpty, !buffers.contains(where: \.isText) else { return }
        let extents = buffers.flatMap(\.cpus).filter { $0.size > 0 }
        guard let last = extents.map({ Int($0.offset + $0.size) }).max() else { return }
        let end = max(last, end)
        guard cursor.bytes[end...].contains(where: { $0 != 0 }) else { return }
        try attempt(keepGoing) { (_) throws(TraceError) in
            throw cursor.error("the file goes on for \(cursor.bytes.count - end) bytes behind the data of its last CPU", at: end)
        }
    }

    private enum DataWord { case options, latency, flyrecord }

    /// The ten bytes that say what comes next.
    private func dataWord(_ cursor: inout ByteCursor) throws(TraceError) -> DataWord {
        let start = cursor.position
        let bytes = try cursor.take(10, "the kind of data")
        if bytes.starts(with: "options".utf8) { return .options }
        if bytes.starts(with: "latency".utf8) { return .latency }
        if bytes.starts(with: "flyrecord".utf8) { return .flyrecord }
        throw cursor.error("expected \"options\", \"latency\" or \"flyrecord\", found \(cursor.quoted(bytes))", at: start)
    }

    /// Options up to the one with id 0. Gives the instances' names and places.
    private mutating func readOptions(_ cursor: inout ByteCursor) throws(TraceError) -> [(name: String, offset: UInt64, at: Int)] {
        var instances: [(String, UInt64, Int)] = []
        while true {
            let id = try cursor.u16("an option's id")
            if id == OptionID.done { return instances }
            let size = try cursor.u32("an option's size")
            let start = cursor.position
            let data = try cursor.take(UInt64(size), "option \(id)")
            try add(TraceOption(id: Int(id), size: Int(size)), at: cursor)
            var place = cursor.place
            place.base += UInt64(start)
            var inner = ByteCursor(data, bigEndian: bigEndian, place: place)
            if id == OptionID.buffer {
                let offset = try inner.u64("the place of a buffer")
                instances.append((try inner.string("the name of a buffer"), offset, start))
            } else {
                try take(id, inner)
            }
        }
    }

    private mutating func readBuffer(
        _ cursor: inout ByteCursor, _ name: String, _ word: DataWord, _ clock: Clock, keepGoing: Bool
    ) throws(TraceError) -> TraceBuffer {
        var buffer = TraceBuffer(name: name, clock: clock, pageSize: pageSize, cpus: [], compressed: false)
        guard word == .flyrecord else {
            buffer.isText = true
            return buffer
        }
        try addExtents(cpuCount, at: cursor)
        let start = cursor
        for cpu in 0..<cpuCount {
            let position = cursor.position
            let offset = try cursor.u64("the place of CPU \(cpu)'s data")
            let size = try cursor.u64("the size of CPU \(cpu)'s data")
            let extent = TraceBuffer.Extent(cpu: cpu, offset: offset, size: size)
            buffer.cpus.append(
                try checkExtent(extent, fileSize: cursor.bytes.count, at: cursor, position: position, keepGoing: keepGoing))
        }
        try checkOverlaps(&buffer, at: start, keepGoing: keepGoing)
        return buffer
    }

    /// Takes the content of trace_clock after a table of CPUs; nil, and nothing is taken, if that cannot be it.
    private func readTraceClockText(_ cursor: inout ByteCursor) -> String? {
        var ahead = cursor
        guard let size = try? ahead.u64("the size of trace_clock"), size < 4096, let text = try? ahead.take(size, "trace_clock") else { return nil }
        cursor = ahead
        return ByteCursor.text(text)
    }
}

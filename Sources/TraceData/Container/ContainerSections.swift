/// The parts of the metadata whose layout is the same in both versions of the file.
extension Container {
    /// "header_page" and "header_event": how a sub-buffer is laid out, the kernel's size of long among it.
    ///
    /// - Returns: the size of a sub-buffer, if it is told, and where.
    @discardableResult
    mutating func readHeaderInfo(_ cursor: inout ByteCursor) throws(TraceError) -> (size: Int?, at: Int) {
        try cursor.expect("header_page")
        let size = try cursor.u64("the size of header_page")
        let start = cursor.position
        let text = try cursor.take(size, "header_page")
        guard let commit = HeaderPage.longSize(text) else {
            throw cursor.error("header_page names no commit field of 4 or 8 bytes", at: start)
        }
        longSize = commit
        try cursor.expect("header_event")
        try cursor.skip(try cursor.u64("the size of header_event"), "header_event")
        return (HeaderPage.subbufferSize(text), start)
    }

    /// The formats of the events that ftrace itself writes.
    mutating func readFtraceFormats(_ cursor: inout ByteCursor) throws(TraceError) {
        try readFormats(&cursor, system: "ftrace")
    }

    /// The formats of all other events, by system.
    mutating func readEventFormats(_ cursor: inout ByteCursor) throws(TraceError) {
        let systems = try cursor.u32("the number of event systems")
        guard systems <= EventFormats.eventLimit else { throw cursor.error("\(systems) event systems are stated") }
        for _ in 0..<systems {
            let system = try cursor.string("the name of an event system")
            try readFormats(&cursor, system: system)
        }
    }

    private mutating func readFormats(_ cursor: inout ByteCursor, system: String) throws(TraceError) {
        let count = try cursor.u32("the number of \(system) events")
        guard formats.count + Int(count) <= 2 * EventFormats.eventLimit else {
            throw cursor.error("\(count) events are stated for \(system)")
        }
        for _ in 0..<count {
            let size = try cursor.u64("the size of an event format")
            let place = cursor.error("")
            formats.append(EventFormats.Source(system: system, text: try cursor.take(size, "an event format of \(system)"), place: place))
        }
    }

    /// Names of tasks: a line "PID NAME" each, as the kernel's saved_cmdlines has them. What is longer than TASK_COMM_LEN is cut.
    mutating func readCommandLines(_ cursor: inout ByteCursor, limit: Int = Self.commandLimit) throws(TraceError) {
        let size = try cursor.u64("the size of the saved command lines")
        let text = try cursor.take(size, "the saved command lines")
        for line in Pieces(text, between: 10) {
            let digits = line.prefix { 0x30...0x39 ~= $0 }
            guard let pid = Int32(String(decoding: digits, as: UTF8.self)), line.dropFirst(digits.count).first == 0x20 else { continue }
            guard commands.count < limit else { throw cursor.error("more than \(limit) saved command lines", at: cursor.position - text.count) }
            commands[pid] = Comm(line.dropFirst(digits.count + 1))
        }
    }

    /// Checks where a CPU's data is said to be. With `keepGoing` an extent that the file cuts off is shortened to what is there.
    mutating func checkExtent(
        _ extent: TraceBuffer.Extent, fileSize: Int, at cursor: ByteCursor, position: Int, keepGoing: Bool
    ) throws(TraceError) -> TraceBuffer.Extent {
        let limit = UInt64(fileSize)
        // Where nothing is to be read, the offset may be anything.
        guard extent.size > 0 else { return TraceBuffer.Extent(cpu: extent.cpu, offset: 0, size: 0) }
        guard extent.offset > limit || extent.size > limit - extent.offset else { return extent }
        let end = extent.offset.addingReportingOverflow(extent.size)
        let error = cursor.error(
            "truncated: CPU \(extent.cpu) has \(extent.size) bytes at byte \(extent.offset)"
                + (end.overflow ? "" : " (to \(end.partialValue))") + ", the file has \(fileSize)",
            at: position)
        guard keepGoing else { throw error }
        problems.append(TraceProblem(error, cpu: extent.cpu))
        let start = min(extent.offset, limit)
        return TraceBuffer.Extent(cpu: extent.cpu, offset: start, size: limit - start)
    }

    /// The kernel's counts of a buffer. Where no line names one they are the top one's, or those of the only one that has data.
    func stats(of buffer: TraceBuffer) -> [CPUStats] {
        let isOnly = cpuStats.allSatisfy(\.buffer.isEmpty) && !buffers.contains { $0.name != buffer.name && $0.cpus.contains { $0.size > 0 } }
        return isOnly ? cpuStats : cpuStats.filter { $0.buffer == buffer.name }
    }

    /// As many of the options that name buffers as a file may have; with `keepGoing` those behind them are left out.
    mutating func limited<Option>(_ options: [Option], keepGoing: Bool, place: (Option) -> (cursor: ByteCursor, position: Int)) throws(TraceError) -> ArraySlice<Option> {
        if options.count > Self.bufferLimit {
            let (cursor, position) = place(options[Self.bufferLimit])
            let error = cursor.error("\(options.count) buffers are stated, the limit is \(Self.bufferLimit)", at: position)
            guard keepGoing else { throw error }
            problems.append(TraceProblem(error))
        }
        return options.prefix(Self.bufferLimit)
    }

    /// Takes note of a buffer's table of CPUs before it is read.
    mutating func addExtents(_ count: Int, at cursor: ByteCursor) throws(TraceError) {
        extents += count
        guard extents <= Self.extentLimit else {
            throw cursor.error("the buffers up to here state the data of \(extents) CPUs, the limit for all is \(Self.extentLimit)")
        }
    }

    /// Two CPUs cannot have the same bytes: records would count twice, and a small file could hold any number of them. With `keepGoing`
    /// only the one that begins first keeps its data.
    mutating func checkOverlaps(_ buffer: inout TraceBuffer, at cursor: ByteCursor, keepGoing: Bool) throws(TraceError) {
        var last: TraceBuffer.Extent?
        for index in buffer.cpus.indices.sorted(by: { (buffer.cpus[$0].offset, $0) < (buffer.cpus[$1].offset, $1) }) {
            let extent = buffer.cpus[index]
            guard extent.size > 0 else { continue }
            guard let before = last, extent.offset < before.offset + before.size else {
                last = extent
                continue
            }
            let error = cursor.error(
                "the data of CPU \(extent.cpu) begins at byte \(extent.offset), in that of CPU \(before.cpu), which goes to \(before.offset + before.size)")
            guard keepGoing else { throw error }
            problems.append(TraceProblem(error, cpu: extent.cpu))
            buffer.cpus[index] = TraceBuffer.Extent(cpu: extent.cpu, offset: 0, size: 0)
        }
    }
}

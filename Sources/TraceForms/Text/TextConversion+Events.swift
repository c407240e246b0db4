import Glibc
import TraceData
import TraceWriting

/// From the text of an event to its record, in the formats of ``TextFormats``.
extension TextConversion {
    /// Bytes that `trace-cmd report` has for the name of an event, its colon and spaces behind it.
    private static let nameColumn = 22
    /// TRACE_FLAG_HARDIRQ.
    private static let inHandler: UInt8 = 0x08

    @inline(__always)
    func write(_ line: Line, _ kind: EventNames.Kind, _ event: EventPart) throws(Fault) {
        var body = event.body
        if kind != .marker && kind != .print {
            // trace-cmd fills up to a column, the kernel has one space. What follows may be a name that begins with spaces.
            var spaces = max(1, Self.nameColumn - event.nameCount - 1)
            while spaces > 0, body.take(UInt8(ascii: " ")) { spaces -= 1 }
            if body.byte == UInt8(ascii: " "), kind != .schedSwitch { body.skipSpaces() }
            var end = body.end
            while end > body.next, end[-1] == 0x20 { end -= 1 }
            body = TextCursor(body.next, end)
            if let fields, !kind.isProbe { body = fields.plain(body) }
        }
        if line.flags == LineHead.noFlags {
            switch kind {
            case .schedSwitch, .tlbFlush, .probe, .newTask, .exit: break
            default: handlers.other(line.cpu)
            }
        }
        switch kind {
        case .schedSwitch: try writeSwitch(line, body)
        case .tlbFlush: try writeFlush(line, body)
        case .probe(let index): try writeProbe(line, index, body, event)
        case .newTask: try writeNewTask(line, body)
        case .rename: try writeRename(line, body)
        case .fork: try writeFork(line, body)
        case .exec: try writeExec(line, body)
        case .exit: try writeExit(line, body)
        case .marker:
            _ = body.take(UInt8(ascii: " "))
            begin(line, marker: UnsafeRawBufferPointer(start: body.next, count: body.count))
        case .print:
            try beginPrint(line, body)
        case .other: break
        }
    }

    /// A record of an event with its common fields.
    @inline(__always)
    private func record(_ line: Line, _ format: TextFormat, _ size: Int) throws(Fault) -> UnsafeMutableRawPointer {
        let writer = writer(line.cpu)
        let data = try writing { () throws(WritingError) in try writer.reserve(at: line.time, size: (size + 3) & ~3) }
        data.storeBytes(of: format.id, as: UInt16.self)
        data.storeBytes(of: line.flags, toByteOffset: 2, as: UInt8.self)
        data.storeBytes(of: line.pid, toByteOffset: 4, as: Int32.self)
        return data
    }

    @inline(__always)
    private func put(_ name: NameText, _ data: UnsafeMutableRawPointer, _ offset: Int) {
        memcpy(data + offset, name.start, min(name.count, NameText.limit))
    }

    @inline(__always)
    private func put(_ value: Int32, _ data: UnsafeMutableRawPointer, _ offset: Int) { data.storeBytes(of: value, toByteOffset: offset, as: Int32.self) }

    @inline(__always)
    private func put(long value: Int64, _ data: UnsafeMutableRawPointer, _ offset: Int) {
        if longSize == 8 {
            data.storeBytes(of: value, toByteOffset: offset, as: Int64.self)
        } else {
            data.storeBytes(of: Int32(truncatingIfNeeded: value), toByteOffset: offset, as: Int32.self)
        }
    }

    @inline(__always)
    private func writeSwitch(_ line: Line, _ body: TextCursor) throws(Fault) {
        guard let text = SchedSwitchText(body.next, body.end, pid: line.pid, &letters) else { throw incomplete("sched_switch", body) }
        if line.flags == LineHead.noFlags { handlers.switched(line.cpu, from: text.prevPID, to: text.nextPID) }
        // Names, pid, prio, state, name, pid, prio: at the same place in all texts but for the size of long.
        let long = longSize
        let data = try record(line, formats.schedSwitch, 56 + long)
        put(text.prevName, data, 8)
        put(text.prevPID, data, 24)
        put(text.prevPrio, data, 28)
        put(long: text.state, data, 32)
        put(text.nextName, data, 32 + long)
        put(text.nextPID, data, 48 + long)
        put(text.nextPrio, data, 52 + long)
    }

    @inline(__always)
    private func writeFlush(_ line: Line, _ body: TextCursor) throws(Fault) {
        guard let text = TLBFlushText(body.next, body.end) else { throw incomplete("tlb_flush", body) }
        var line = line
        if line.flags == LineHead.noFlags, handlers.flushed(line.cpu, pid: line.pid, reason: text.reason, pages: text.pages) { line.flags |= Self.inHandler }
        let pages = formats.tlbFlush.offsets[1]
        let data = try record(line, formats.tlbFlush, pages + longSize)
        put(text.reason, data, 8)
        put(long: text.pages, data, pages)
    }

    private func writeNewTask(_ line: Line, _ body: TextCursor) throws(Fault) {
        guard let text = NewTaskText(body.next, body.end) else { throw incomplete("task_newtask", body) }
        if line.flags == LineHead.noFlags { handlers.made(line.cpu, by: line.pid, text.pid) }
        let at = formats.newTask.offsets
        let data = try record(line, formats.newTask, formats.newTask.size)
        put(text.pid, data, at[0])
        put(text.name, data, at[1])
        put(long: Int64(bitPattern: text.cloneFlags), data, at[2])
        data.storeBytes(of: text.oomScoreAdj, toByteOffset: at[3], as: Int16.self)
    }

    private func writeRename(_ line: Line, _ body: TextCursor) throws(Fault) {
        guard let text = RenameText(body.next, body.end) else { throw incomplete("task_rename", body) }
        let at = formats.rename.offsets
        let data = try record(line, formats.rename, formats.rename.size)
        put(text.pid ?? line.pid, data, at[0])
        put(text.oldName, data, at[1])
        put(text.newName, data, at[2])
        data.storeBytes(of: text.oomScoreAdj, toByteOffset: at[3], as: Int16.self)
    }

    private func writeFork(_ line: Line, _ body: TextCursor) throws(Fault) {
        guard let text = ForkText(body.next, body.end) else { throw incomplete("sched_process_fork", body) }
        let at = formats.fork.offsets
        let data = try record(line, formats.fork, formats.fork.size)
        put(text.parentName, data, at[0])
        put(text.parent, data, at[1])
        put(text.childName, data, at[2])
        put(text.child, data, at[3])
    }

    private func writeExec(_ line: Line, _ body: TextCursor) throws(Fault) {
        guard let text = ExecText(body.next, body.end) else { throw incomplete("sched_process_exec", body) }
        let at = formats.exec.offsets
        let start = formats.exec.size
        guard text.filename.count + 1 + start <= trace.geometry.largestRecord & ~3 else {
            throw .line("a path of \(text.filename.count) bytes in sched_process_exec, no kernel has one")
        }
        let data = try record(line, formats.exec, start + text.filename.count + 1)
        // Length above, offset below.
        data.storeBytes(of: UInt32(text.filename.count + 1) << 16 | UInt32(start), toByteOffset: at[0], as: UInt32.self)
        put(text.pid, data, at[1])
        put(text.oldPID, data, at[2])
        (data + start).copyMemory(from: text.filename.baseAddress!, byteCount: text.filename.count)
    }

    private func writeExit(_ line: Line, _ body: TextCursor) throws(Fault) {
        guard let text = ExitText(body.next, body.end) else { throw incomplete("sched_process_exit", body) }
        if line.flags == LineHead.noFlags { handlers.exited(line.cpu, text.pid) }
        let at = formats.exit.offsets
        let data = try record(line, formats.exit, formats.exit.size)
        put(text.name, data, at[0])
        put(text.pid, data, at[1])
        put(text.prio, data, at[2])
    }

    /// trace-cmd: `tracing_mark_write: TEXT`, or `ip=tracing_mark_write buf=TEXT` with -R.
    private func beginPrint(_ line: Line, _ body: TextCursor) throws(Fault) {
        var cursor = body
        cursor.skipSpaces()
        if cursor.take("ip=") {
            while !cursor.isAtEnd, cursor.byte != 0x20 { cursor.next += 1 }
            guard cursor.take(" buf=") else { throw incomplete("print", body) }
        } else {
            while !cursor.isAtEnd, cursor.byte != UInt8(ascii: ":") { cursor.next += 1 }
            guard cursor.take(":") else { throw incomplete("print", body) }
            _ = cursor.take(UInt8(ascii: " "))
        }
        begin(line, marker: UnsafeRawBufferPointer(start: cursor.next, count: cursor.count))
    }

    func writeMarker(_ line: Line, _ text: [UInt8]) throws(Fault) {
        let start = formats.print.size
        guard text.count + 2 + start <= trace.geometry.largestRecord & ~3 else {
            throw .line("a line of \(text.count) bytes in trace_marker, the kernel cuts them off before")
        }
        let data = try record(line, formats.print, start + text.count + 2)
        text.withUnsafeBytes { (data + start).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(data), byteCount: $0.count) }
        data.storeBytes(of: 10, toByteOffset: start + text.count, as: UInt8.self)
    }

    @inline(__always)
    private func writeProbe(_ line: Line, _ index: Int, _ body: TextCursor, _ event: EventPart) throws(Fault) {
        // A tracepoint may have the same name.
        guard body.byte == UInt8(ascii: "(") || body.byte == UInt8(ascii: "_") else { return names.skip(event.name, event.nameCount) }
        let name = Self.probeNames[index]
        do throws(ProbeText.Fault) {
            if probes[index] == nil { probes[index] = try ProbeText(id: TextFormats.firstProbe + UInt16(index), name: name, longSize: longSize, body) }
        } catch { throw .line(describe(error, name, body)) }
        let probe = probes[index]!
        var line = line
        if line.flags == LineHead.noFlags, handlers.probed(line.cpu, name, body) { line.flags |= Self.inHandler }
        // A record that was begun cannot be taken back: first it must be known that the line can be read.
        memset(scratch, 0, probe.size)
        do throws(ProbeText.Fault) { try probe.read(body, into: scratch) } catch { throw .line(describe(error, name, body)) }
        let data = try record(line, probe.format, probe.size)
        let common = TextFormat.commonSize
        memcpy(data + common, scratch + common, probe.size - common)
    }
}

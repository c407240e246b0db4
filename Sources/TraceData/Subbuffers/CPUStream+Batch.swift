import CPrefetch

/// Many records at once, in compact form: the way in which a replay reads.
extension StreamState {
    /// Reads on until the batch is full or the stream ends. What goes wrong is left in the batch, behind the records before it.
    ///
    /// - Parameter probes: take probe events, too.
    mutating func fill(_ batch: RecordBatch, probes: Bool) {
        batch.reset()
        self.batch = batch
        let undeclared = self.undeclared
        defer {
            self.batch = nil
            batch.undeclared = self.undeclared - undeclared
        }
        let isUsual = isPlain && hasUsualCommonFields && fields.haveUsualSizes && !bigEndian
        var record = Record.none
        do {
            while batch.end < batch.limit, batch.textBytes < RecordBatch.textLimit {
                // The first record tells the batch's first time.
                if isUsual, batch.firstTime != nil, !isMissing, !heldBack {
                    takeUsual(batch)
                    // A sub-buffer that was taken to its end, and no gap behind it.
                    while walker.next == walker.end, batch.end < batch.limit, try nextPage(), !isMissing { takeUsual(batch) }
                }
                guard batch.end < batch.limit else { break }
                guard try next(&record) else {
                    batch.isLast = true
                    return
                }
                put(record, in: batch, probes: probes)
            }
            batch.isLast = false
        } catch {
            batch.error = error
            batch.isLast = true
        }
    }

    private func put(_ record: Record, in batch: RecordBatch, probes: Bool) {
        batch.firstTime = batch.firstTime ?? record.time
        batch.lastTime = record.time
        if record.kind != .lost { batch.records += 1 }
        if record.kind == .other || record.kind.isProbe && !probes { return }
        var compact = CompactRecord()
        // What happened in a gap is not known from the last record before it on, nor is when in it.
        compact.time = record.kind == .lost && record.word1 > 0 ? record.word1 : record.time
        (compact.word0, compact.word1, compact.cpu, compact.pid) = (record.word0, record.word1, record.cpu, record.pid)
        (compact.kind, compact.flags) = (record.kind, record.flags)
        switch record.kind {
        case .lost: break
        case .tlbFlush: compact.isLoad = CompactRecord.isLoad(reason: record.word0, flags: record.flags)
        case .schedSwitch:
            batch.switches += 1
            compact.uncutComm = trace.formats.schedSwitchComms(record).next
        case .marker:
            let details = Details(record, trace.formats)
            batch.textBytes += details.text.utf8.count
            compact.detail = batch.add(details)
        default: compact.detail = batch.add(Details(record, trace.formats))
        }
        batch.end.pointee = compact
        batch.end += 1
    }

    /// Takes records as long as they are sched_switch, tlb_flush, or of no interest, with fields where 64-bit kernels have them. This is
    /// where nearly all records of a trace are read; what is different in any way is left to ``next(_:)``.
    private mutating func takeUsual(_ batch: RecordBatch) {
        // In local variables, so that they stay in registers.
        let (entries, base, end, offset, cpu) = (self.entries, walker.base, walker.end, plainOffset, Int32(truncatingIfNeeded: self.cpu))
        let (switchID, switchSize, flushID, flushSize) = (fields.switchID, fields.switchSize, fields.flushID, fields.flushSize)
        let (prevPID, nextPID, prevState) = (Int(fields.prevPID.offset), Int(fields.nextPID.offset), Int(fields.prevState.offset))
        let (nextComm, reason, pages) = (fields.nextComm, Int(fields.reason.offset), Int(fields.pages.offset))
        let limit = batch.limit
        var out = batch.end
        // Times as they are told, with the file's offset.
        var (next, time, skipped, switches) = (walker.next, walker.time &+ offset, 0, 0)
        // (What is added lies within the sub-buffer, or is checked to.)
        while out < limit, next &+ 12 <= end {
            let word = base.loadUnaligned(fromByteOffset: next, as: UInt32.self)
            let size = Int(word & 31) * 4
            // A record of 8 to 112 bytes of data, all of them there.
            guard UInt(bitPattern: size &- 8) <= 104, size <= end &- next &- 4 else { break }
            let data = base + (next &+ 4)
            prefetch_read(data + 1024)
            prefetch_write(out + 12)
            // Type, flags, preempt_count and pid: struct trace_entry.
            let common = data.loadUnaligned(as: UInt64.self)
            let id = UInt32(truncatingIfNeeded: common & 0xffff)
            if id == flushID {
                guard UInt(bitPattern: size &- flushSize) <= UInt(RecordLayout.padding) else { break }
                let reason = UInt64(data.loadUnaligned(fromByteOffset: reason, as: UInt32.self))
                out.pointee.word0 = reason
                out.pointee.word1 = data.loadUnaligned(fromByteOffset: pages, as: UInt64.self)
                out.pointee.kind = .tlbFlush
                out.pointee.isLoad = CompactRecord.isLoad(reason: reason, flags: UInt8(truncatingIfNeeded: common >> 16))
            } else if id == switchID {
                guard UInt(bitPattern: size &- switchSize) <= UInt(RecordLayout.padding) else { break }
                let prev = data.loadUnaligned(fromByteOffset: prevPID, as: UInt32.self)
                out.pointee.word0 = UInt64(prev) | UInt64(data.loadUnaligned(fromByteOffset: nextPID, as: UInt32.self)) << 32
                out.pointee.word1 = data.loadUnaligned(fromByteOffset: prevState, as: UInt64.self)
                out.pointee.uncutComm = Comm(uncut: data + nextComm)
                out.pointee.kind = .schedSwitch
                out.pointee.isLoad = false
                switches &+= 1
            } else {
                guard entries[Int(id)].kind == .other, size >= Int(entries[Int(id)].minimum) else { break }
                time &+= UInt64(word >> 5)
                next &+= 4 &+ size
                skipped &+= 1
                continue
            }
            time &+= UInt64(word >> 5)
            next &+= 4 &+ size
            out.pointee.time = time
            out.pointee.cpu = cpu
            out.pointee.pid = Int32(truncatingIfNeeded: common >> 32)
            out.pointee.flags = UInt8(truncatingIfNeeded: common >> 16)
            out.pointee.detail = 0
            out += 1
        }
        let taken = out - batch.end + skipped
        guard taken > 0 else { return }
        (walker.next, walker.time) = (next, time &- offset)
        lastTime = time
        untold &+= taken
        batch.end = out
        batch.records += taken
        batch.switches += switches
        batch.lastTime = lastTime
    }
}

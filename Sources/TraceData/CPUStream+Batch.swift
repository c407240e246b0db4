/// Many records at once, in compact form: the way in which a replay reads.
extension StreamState {
    /// Reads on until the batch is full or the stream ends. What goes wrong is left in the batch, behind the records before it.
    ///
    /// - Parameter probes: take probe events, too.
    mutating func fill(_ batch: RecordBatch, probes: Bool) {
        batch.reset()
        self.batch = batch
        defer { self.batch = nil }
        do {
            var goesOn = true
            // A gap and the record behind it need two places.
            while goesOn, batch.end + 1 < batch.limit { goesOn = try fillFromPage(batch, probes: probes) }
            batch.isLast = !goesOn
        } catch {
            batch.error = error
            batch.isLast = true
        }
    }

    /// Takes records of the current sub-buffer, and steps to the next one behind its last. False at the end of the stream.
    private mutating func fillFromPage(_ batch: RecordBatch, probes: Bool) throws(TraceError) -> Bool {
        // In local variables, so that they stay in registers.
        let (entries, fields, bigEndian) = (self.entries, self.fields, self.bigEndian)
        let isUsual = hasUsualCommonFields && fields.haveUsualSizes && !bigEndian
        let limit = batch.limit - 1
        var walker = self.walker
        var out = batch.end
        var (records, switches) = (0, 0)
        while out < limit {
            if isUsual, isPlain, !isMissing, batch.firstTime != nil { takeUsual(&walker, &out, limit, &records, &switches) }
            if out >= limit { break }
            let more: Bool
            do {
                more = try walker.advance()
            } catch {
                self.walker = walker
                leave(batch, out, records, switches)
                try report(pages.error(error.text, at: error.offset))
                lose(.some)
                return try goOn(batch)
            }
            if _slowPath(!more) {
                self.walker = walker
                leave(batch, out, records, switches)
                return try goOn(batch)
            }
            let (data, size) = (walker.data, walker.dataSize)
            let id: UInt16
            if _fastPath(isUsual) {
                id = size >= 8 ? data.loadUnaligned(as: UInt16.self) : 0
            } else {
                id = size >= fields.commonEnd ? UInt16(truncatingIfNeeded: fields.eventID.load(data, bigEndian)) : 0
            }
            let entry = entries[Int(id)]
            // The minimum of an event is at least what the common fields need.
            if _slowPath(isMissing || size < Int(entry.minimum) || size < fields.commonEnd || records == 0 && batch.firstTime == nil) {
                self.walker = walker
                leave(batch, out, records, switches)
                (records, switches) = (0, 0)
                if size < max(Int(entry.minimum), fields.commonEnd) {
                    _ = try tooShort(size < fields.commonEnd ? nil : id)
                    walker = self.walker
                    continue
                }
                begin(batch)
                out = batch.end
            }
            lastRawTime = walker.time
            records += 1
            if entry.kind == .other || entry.kind.isProbe && !probes { continue }
            out.pointee.time = convert(walker.time)
            out.pointee.cpu = Int32(truncatingIfNeeded: cpu)
            out.pointee.kind = entry.kind
            out.pointee.detail = 0
            if _fastPath(isUsual) {
                out.pointee.flags = data.load(fromByteOffset: 2, as: UInt8.self)
                out.pointee.pid = data.loadUnaligned(fromByteOffset: 4, as: Int32.self)
            } else {
                out.pointee.flags = UInt8(truncatingIfNeeded: fields.flags.load(data, bigEndian))
                out.pointee.pid = Int32(truncatingIfNeeded: fields.pid.load(data, bigEndian))
            }
            switch entry.kind {
            case .tlbFlush:
                if _fastPath(isUsual) {
                    out.pointee.word0 = UInt64(data.loadUnaligned(fromByteOffset: Int(fields.reason.offset), as: UInt32.self))
                    out.pointee.word1 = data.loadUnaligned(fromByteOffset: Int(fields.pages.offset), as: UInt64.self)
                } else {
                    out.pointee.word0 = fields.reason.load(data, bigEndian)
                    out.pointee.word1 = fields.pages.load(data, bigEndian)
                }
            case .schedSwitch:
                switches += 1
                if _fastPath(isUsual) {
                    let prev = data.loadUnaligned(fromByteOffset: Int(fields.prevPID.offset), as: UInt32.self)
                    let next = data.loadUnaligned(fromByteOffset: Int(fields.nextPID.offset), as: UInt32.self)
                    out.pointee.word0 = UInt64(prev) | UInt64(next) << 32
                    out.pointee.word1 = data.loadUnaligned(fromByteOffset: Int(fields.prevState.offset), as: UInt64.self)
                    out.pointee.comm = Comm(sixteen: data + fields.nextComm)
                } else {
                    let prev = UInt32(truncatingIfNeeded: fields.prevPID.load(data, bigEndian))
                    out.pointee.word0 = UInt64(prev) | fields.nextPID.load(data, bigEndian) << 32
                    out.pointee.word1 = fields.prevState.load(data, bigEndian)
                    out.pointee.comm = trace.formats.schedSwitchComms(record(at: walker, id, entry.kind, out.pointee)).next
                }
            default:
                (out.pointee.word0, out.pointee.word1) = (0, 0)
                out.pointee.detail = batch.add(Details(record(at: walker, id, entry.kind, out.pointee), trace.formats))
            }
            out += 1
        }
        self.walker = walker
        leave(batch, out, records, switches)
        return true
    }

    /// Takes records as long as they are sched_switch, tlb_flush, or of no interest, with fields where 64-bit kernels have them. This is
    /// where nearly all records of a trace are read; what is different in any way is left to the caller.
    @inline(__always)
    private mutating func takeUsual(
        _ walker: inout SubbufferWalker, _ out: inout UnsafeMutablePointer<CompactRecord>, _ limit: UnsafeMutablePointer<CompactRecord>,
        _ records: inout Int, _ switches: inout Int
    ) {
        let (entries, base, end, offset, cpu) = (self.entries, walker.base, walker.end, plainOffset, Int32(truncatingIfNeeded: self.cpu))
        let (switchID, switchSize, flushID, flushSize) = (fields.switchID, fields.switchSize, fields.flushID, fields.flushSize)
        let (prevPID, nextPID, prevState) = (Int(fields.prevPID.offset), Int(fields.nextPID.offset), Int(fields.prevState.offset))
        let (nextComm, reason, pages) = (fields.nextComm, Int(fields.reason.offset), Int(fields.pages.offset))
        let before = walker.next
        var (next, time, taken) = (walker.next, walker.time, 0)
        while out < limit, next + 12 <= end {
            let word = base.loadUnaligned(fromByteOffset: next, as: UInt32.self)
            let size = Int(word & 31) * 4
            // A record of 8 to 112 bytes of data, all of them there.
            guard UInt(bitPattern: size &- 8) <= 104, size <= end - next - 4 else { break }
            let data = base + (next + 4)
            // Type, flags, preempt_count and pid: struct trace_entry.
            let common = data.loadUnaligned(as: UInt64.self)
            let id = UInt32(truncatingIfNeeded: common & 0xffff)
            if id == flushID {
                guard size >= flushSize else { break }
                out.pointee.word0 = UInt64(data.loadUnaligned(fromByteOffset: reason, as: UInt32.self))
                out.pointee.word1 = data.loadUnaligned(fromByteOffset: pages, as: UInt64.self)
                out.pointee.kind = .tlbFlush
            } else if id == switchID {
                guard size >= switchSize else { break }
                let prev = data.loadUnaligned(fromByteOffset: prevPID, as: UInt32.self)
                out.pointee.word0 = UInt64(prev) | UInt64(data.loadUnaligned(fromByteOffset: nextPID, as: UInt32.self)) << 32
                out.pointee.word1 = data.loadUnaligned(fromByteOffset: prevState, as: UInt64.self)
                out.pointee.comm = Comm(sixteen: data + nextComm)
                out.pointee.kind = .schedSwitch
                switches &+= 1
            } else {
                guard entries[Int(id)].kind == .other, size >= Int(entries[Int(id)].minimum) else { break }
                time &+= UInt64(word >> 5)
                next += 4 + size
                taken &+= 1
                continue
            }
            time &+= UInt64(word >> 5)
            next += 4 + size
            taken &+= 1
            out.pointee.time = time &+ offset
            out.pointee.cpu = cpu
            out.pointee.pid = Int32(truncatingIfNeeded: common >> 32)
            out.pointee.flags = UInt8(truncatingIfNeeded: common >> 16)
            out.pointee.detail = 0
            out += 1
        }
        guard next != before else { return }
        (walker.next, walker.time) = (next, time)
        lastRawTime = time
        records += taken
    }

    /// Writes back what a run of records was counted in.
    private mutating func leave(_ batch: RecordBatch, _ out: UnsafeMutablePointer<CompactRecord>, _ records: Int, _ switches: Int) {
        batch.end = out
        batch.records += records
        batch.switches += switches
        guard records > 0 else { return }
        trace.options.progress?.read(records: records)
        lastTime = convert(lastRawTime)
        batch.lastTime = lastTime
    }

    /// The next sub-buffer; false at the end of the stream, which may be a gap.
    private mutating func goOn(_ batch: RecordBatch) throws(TraceError) -> Bool {
        if try nextPage() { return true }
        var gap = Record.none
        if finalGap(&gap) { put(gap, batch) }
        return false
    }

    /// A record that is the first of its batch, or that stands behind a gap.
    private mutating func begin(_ batch: RecordBatch) {
        let time = convert(walker.time)
        if batch.firstTime == nil { batch.firstTime = time }
        guard isMissing else { return }
        var gap = Record.none
        fillGap(&gap, before: time)
        put(gap, batch)
    }

    /// What happened in a gap is not known from the last record before it on, nor is when in it.
    private func put(_ gap: Record, _ batch: RecordBatch) {
        var held = CompactRecord()
        held.time = gap.word1 > 0 ? gap.word1 : gap.time
        (held.word0, held.word1, held.cpu, held.pid, held.kind) = (gap.word0, gap.word1, gap.cpu, gap.pid, gap.kind)
        batch.end.pointee = held
        batch.end += 1
        if batch.firstTime == nil { batch.firstTime = gap.time }
        batch.lastTime = gap.time
    }

    private func record(at walker: SubbufferWalker, _ id: UInt16, _ kind: Record.Kind, _ held: CompactRecord) -> Record {
        var record = Record.none
        (record.time, record.data) = (held.time, UnsafeRawBufferPointer(start: walker.data, count: walker.dataSize))
        (record.cpu, record.pid, record.eventID, record.kind, record.flags) = (held.cpu, held.pid, id, kind, held.flags)
        return record
    }
}

import TraceData

/// `lazytlb info --format json`.
extension TraceInfo {
    /// One object with stable keys.
    public func json(to writer: ByteWriter) {
        var object = JSONObject(writer)
        addFile(&object)
        addRecords(&object)
        object.strings("notes", advice)
        object.strings("problems", file.problems.map(\.description))
        object.end()
        writer.byte(10)
    }

    private func addFile(_ object: inout JSONObject) {
        object.string("path", file.path)
        object.string("kernel", file.kernelRelease)
        object.string("machine", file.machine)
        object.string("uname", file.uname)
        object.string("form", file.origin.form.rawValue)
        object.number("version", file.origin.form == .traceDat ? file.version : nil)
        object.string("endianness", file.isBigEndian ? "big" : "little")
        object.number("long_size", file.longSize)
        object.number("page_size", file.pageSize)
        object.string("compression", file.compression.rawValue)
        object.string("trace_cmd", file.traceCmdVersion)
        object.object("clock") { addClock(file.clock, &$0) }
        object.number("cpus", file.cpuCount)
        object.string("buffer", file.buffer.name)
        object.objects("buffers", file.buffers) { addBuffer($1, &$0) }
        object.objects("options", file.presentOptions) { one, option in
            one.number("id", option.id)
            one.string("name", option.name)
            one.number("size", option.size)
        }
        object.number("saved_cmdlines", file.commands.count)
    }

    private func addRecords(_ object: inout JSONObject) {
        object.number("records", summary.records)
        object.number("first_time_ns", summary.firstTime)
        object.number("last_time_ns", summary.lastTime)
        object.objects("events", summary.events) { one, event in
            one.string("system", event.system)
            one.string("name", event.name)
            one.number("records", event.records)
        }
        object.objects("per_cpu", summary.cpus) { addCPU($1, &$0) }
        object.number("lost_events", summary.lostEvents)
        object.number("lost_gaps", summary.gaps)
        object.number("uncounted_gaps", summary.uncountedGaps)
        object.strings("missing", summary.eventsWithoutRecord)
    }

    private func addClock(_ clock: Clock, _ object: inout JSONObject) {
        object.string("name", clock.name)
        object.string("unit", clock.unit.rawValue)
        object.bool("is_time", clock.isTime)
        object.bool("comparable_between_cpus", clock.comparableBetweenCPUs)
    }

    private func addBuffer(_ buffer: TraceBuffer, _ object: inout JSONObject) {
        object.string("name", buffer.name)
        object.object("clock") { addClock(buffer.clock, &$0) }
        object.number("page_size", buffer.pageSize)
        object.bool("text", buffer.isText)
        object.objects("cpus", buffer.cpus) { cpu, extent in
            cpu.number("cpu", extent.cpu)
            cpu.number("offset", extent.offset)
            cpu.number("bytes", extent.size)
        }
    }

    private func addCPU(_ cpu: TraceSummary.CPU, _ object: inout JSONObject) {
        object.number("cpu", cpu.cpu)
        object.number("records", cpu.records)
        object.number("first_time_ns", cpu.firstTime)
        object.number("last_time_ns", cpu.lastTime)
        object.number("lost_events", cpu.lostEvents)
        object.number("lost_gaps", cpu.gaps)
        object.number("uncounted_gaps", cpu.uncountedGaps)
        let stats = stats(cpu.cpu)
        object.number("overrun", stats?.overrun)
        object.number("dropped", stats?.dropped)
    }
}

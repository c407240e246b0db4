/// From the raw time of a record to the one that is shown, in trace-cmd's order (timestamp_calc(), lib/trace-cmd/trace-input.c):
/// guest to host shift, TSC to ns, then the fixed offset.
struct TimeConversion: Sendable {
    /// DATE and OFFSET options, in ns.
    var offset: UInt64 = 0
    /// TSC2NSEC option.
    var scale: (mult: UInt32, shift: UInt32)?
    /// TIME_SHIFT option, by CPU.
    var shift: TimeShift?

    /// Only the offset is to be added.
    var isPlain: Bool { scale == nil && shift == nil }

    func convert(_ raw: UInt64, cpu: Int) -> UInt64 {
        var time = raw
        if let shift { time = shift.toHost(time, cpu: cpu) }
        if let scale { time = Self.scaled(time, scale.mult, scale.shift) }
        return time &+ offset
    }

    /// (time * mult) >> shift without losing the upper bits, as mul_u64_u32_shr() of include/linux/math64.h.
    static func scaled(_ time: UInt64, _ mult: UInt32, _ shift: UInt32) -> UInt64 {
        let product = time.multipliedFullWidth(by: UInt64(mult))
        if shift == 0 { return product.low }
        return shift < 64 ? product.high << (64 - UInt64(shift)) | product.low >> UInt64(shift) : product.high >> (UInt64(shift) - 64)
    }
}

/// How a guest's clock relates to its host's, sampled while both were traced (TIME_SHIFT option).
struct TimeShift: Sendable {
    struct Sample: Sendable, Equatable {
        var time: Int64
        var offset: Int64
        var scaling: Int64
        var fraction: Int64
    }

    /// The correction is interpolated between samples (TRACECMD_TSYNC_FLAG_INTERPOLATE).
    var interpolates: Bool
    /// By CPU, each by ascending time.
    var samples: [[Sample]]

    /// Reads the option's data. The fraction bits after the samples are in trace-cmd's source only, not in the manual page.
    init(_ cursor: inout ByteCursor) throws(TraceError) {
        try cursor.skip(8, "TIME_SHIFT's peer")
        interpolates = try cursor.u32("TIME_SHIFT's flags") & 1 != 0
        let count = try cursor.u32("TIME_SHIFT's number of CPUs")
        guard UInt64(count) * 4 <= UInt64(cursor.remaining) else {
            throw cursor.error("TIME_SHIFT states \(count) CPUs in \(cursor.remaining) bytes")
        }
        samples = []
        for _ in 0..<count {
            let number = try cursor.u32("TIME_SHIFT's number of samples")
            guard UInt64(number) * 24 <= UInt64(cursor.remaining) else {
                throw cursor.error("TIME_SHIFT states \(number) samples in \(cursor.remaining) bytes")
            }
            var list = [Sample](repeating: Sample(time: 0, offset: 0, scaling: 1, fraction: 0), count: Int(number))
            for index in list.indices { list[index].time = Int64(bitPattern: try cursor.u64("a sample")) }
            for index in list.indices { list[index].offset = Int64(bitPattern: try cursor.u64("a sample")) }
            for index in list.indices { list[index].scaling = Int64(bitPattern: try cursor.u64("a sample")) }
            samples.append(list)
        }
        if !cursor.isAtEnd {
            for cpu in samples.indices {
                for index in samples[cpu].indices { samples[cpu][index].fraction = Int64(bitPattern: try cursor.u64("a fraction")) }
            }
        }
        for cpu in samples.indices {
            var unique: [Sample] = []
            for sample in samples[cpu].sorted(by: { $0.time < $1.time }) where unique.last?.time != sample.time { unique.append(sample) }
            samples[cpu] = unique
        }
    }

    /// A guest's time as the host's (timestamp_host_sync(), lib/trace-cmd/trace-input.c).
    func toHost(_ time: UInt64, cpu: Int) -> UInt64 {
        guard samples.indices.contains(cpu), let first = samples[cpu].first else { return time }
        let list = samples[cpu]
        guard list.count > 1 else { return time &+ UInt64(bitPattern: first.offset) }
        // The last sample at or before the time that has another one after it.
        var low = 0
        var high = list.count - 1
        while high - low > 1 {
            let middle = (low + high) / 2
            if UInt64(bitPattern: list[middle].time) <= time { low = middle } else { high = middle }
        }
        let (from, to) = (list[low], list[high])
        var correction = from.offset
        let delta = to.time &- from.time
        if interpolates {
            let offset = (Int64(bitPattern: time) &- from.time) &* (to.offset &- from.offset)
            correction &+= (offset &+ delta / 2).dividedReportingOverflow(by: delta).partialValue
        }
        let scaled = time &* UInt64(bitPattern: from.scaling)
        return (scaled >> UInt64(truncatingIfNeeded: from.fraction & 63)) &+ UInt64(bitPattern: correction)
    }
}

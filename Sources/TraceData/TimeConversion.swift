/// From the raw time of a record to the one that is shown, in trace-cmd's order (timestamp_calc(), lib/trace-cmd/trace-input.c):
/// guest to host shift, TSC to ns, then the fixed offset.
struct TimeConversion: Sendable {
    /// DATE and OFFSET options, in ns.
    var offset: UInt64 = 0
    /// How far the CPU's clock is ahead of the others', which is taken off behind all else.
    var ahead: Int64 = 0
    /// TSC2NSEC option.
    var scale: (mult: UInt32, shift: UInt32)?
    /// TIME_SHIFT option, by CPU.
    var shift: TimeShift?

    /// Only the offset is to be added.
    var isPlain: Bool { scale == nil && shift == nil }

    /// The time that is shown; nil if it is below zero or beyond 64 bits.
    func convert(_ raw: UInt64, cpu: Int) -> UInt64? {
        var time: UInt64? = raw
        if let shift { time = shift.toHost(raw, cpu: cpu) }
        if let scale, let one = time { time = Self.scaled(one, UInt64(scale.mult), scale.shift) }
        if let one = time { time = Self.moved(one, by: Int64(bitPattern: offset)) }
        guard ahead != 0, let one = time else { return time }
        return Self.moved(one, by: 0 &- ahead)
    }

    /// (time * mult) >> shift without losing the upper bits, as mul_u64_u32_shr() of include/linux/math64.h; nil if that has more than 64.
    static func scaled(_ time: UInt64, _ mult: UInt64, _ shift: UInt32) -> UInt64? {
        let product = time.multipliedFullWidth(by: mult)
        if shift >= 64 { return product.high >> (UInt64(shift) - 64) }
        guard product.high >> UInt64(shift) == 0 else { return nil }
        return product.high << (64 - UInt64(shift)) | product.low >> UInt64(shift)
    }

    /// time + offset; nil if that is no time.
    static func moved(_ time: UInt64, by offset: Int64) -> UInt64? {
        let (sum, overflow) = offset < 0 ? time.subtractingReportingOverflow(offset.magnitude) : time.addingReportingOverflow(UInt64(offset))
        return overflow ? nil : sum
    }

    /// What is to be added to raw times where that is all.
    var plainOffset: UInt64 { offset &- UInt64(bitPattern: ahead) }

    /// What raw times may be where only the offset is added, so that none leaves 64 bits (``SubbufferWalker/anyTime``). Of a clock that is ahead less may be taken off than a sub-buffer
    /// begins with, since its first record may come later: ``ClockSkew`` has looked at that.
    var rawRange: ClosedRange<UInt64> {
        let any = SubbufferWalker.anyTime
        let offset = Int64(bitPattern: offset)
        guard isPlain else { return any }
        let last = ahead < 0 ? any.upperBound - min(any.upperBound, ahead.magnitude) : any.upperBound
        if offset >= 0 { return 0...last - min(last, offset.magnitude) }
        return offset.magnitude...min(any.upperBound, last + min(offset.magnitude, any.upperBound - last))
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

    /// By how much times may go back where one sample follows another: what the samples are exact to, generously.
    static let jitter: UInt64 = 1_000_000

    /// A guest's time as the host's (timestamp_host_sync(), lib/trace-cmd/trace-input.c); nil if it is no time.
    func toHost(_ time: UInt64, cpu: Int) -> UInt64? {
        guard samples.indices.contains(cpu), let first = samples[cpu].first else { return time }
        let list = samples[cpu]
        guard list.count > 1 else { return TimeConversion.moved(time, by: first.offset) }
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
        let scaled = TimeConversion.scaled(time, UInt64(bitPattern: from.scaling), UInt32(from.fraction & 63))
        return scaled.flatMap { TimeConversion.moved($0, by: correction) }
    }
}

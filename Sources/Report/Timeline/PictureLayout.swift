import Reconstruction

/// Where everything is in a ``TimelinePicture``, in pixels.
struct PictureLayout {
    static let margin = 16
    /// Where bars begin, and how long they are.
    static let left = 76
    static let chart = 1200

    /// Columns that a bar is cut into: one a pixel, fewer where there are so many CPUs that the picture would be too large to look at.
    static func columns(cpus: Int) -> Int { max(chart / 8, min(chart, chart * 64 / max(1, cpus))) }

    let width = left + chart + margin
    /// A CPU's bar, and the strip below it.
    let bar: Int
    let strip: Int
    /// From one CPU to the next.
    private let pitch: Int
    /// Every so many CPUs have a name.
    let named: Int
    private let rows: Int
    private let columns: Int
    private let legendRows: Int
    let explanationLines: Int

    init(rows: Int, columns: Int, entries: Int, hasStale: Bool) {
        (self.rows, self.columns) = (rows, columns)
        (bar, named) = rows <= 16 ? (20, 1) : rows <= 64 ? (12, 1) : (6, 2)
        strip = hasStale ? max(2, bar / 5) : 0
        pitch = bar + (hasStale ? strip + 1 : 0) + max(2, bar / 3)
        legendRows = (entries + Self.entriesInRow - 1) / Self.entriesInRow
        explanationLines = hasStale ? 2 : 1
    }

    /// The lower end of the axis, above the bars.
    let axis = 72
    private var bars: Int { axis + 6 }
    func top(of row: Int) -> Int { bars + row * pitch }

    private static let entriesInRow = 3
    private var legend: Int { bars + rows * pitch + 22 }
    /// The base line of an entry of the legend.
    func entry(_ place: Int) -> (x: Int, y: Int) {
        (Self.margin + place % Self.entriesInRow * ((width - Self.margin) / Self.entriesInRow), legend + place / Self.entriesInRow * 18)
    }
    var explanation: Int { legend + legendRows * 18 + 6 }
    var height: Int { explanation + explanationLines * 16 }

    /// The width of so many columns: to the hundredth where one is no whole number of pixels.
    func write(_ count: Int, to writer: ByteWriter) {
        let hundredths = count * Self.chart * 100 / max(1, columns)
        writer.decimal(UInt64(hundredths / 100))
        guard hundredths % 100 > 0 else { return }
        writer.text(".")
        writer.decimal(UInt64(hundredths % 100), width: 2)
    }
}

/// Round moments of a span, and what to write there.
struct PictureTicks {
    let times: [UInt64]
    private let decimals: Int
    private let unit: ReportDocument.Trace.TimeUnit

    init(_ span: Range<UInt64>, unit: ReportDocument.Trace.TimeUnit) {
        self.unit = unit
        // The least of 1, 2, 5, 10, 20, … that gives ten ticks at most.
        let length = span.upperBound - span.lowerBound
        var (power, step) = (1 as UInt64, 1 as UInt64)
        var digits = 0
        search: while true {
            for factor in [1, 2, 5] as [UInt64] {
                let (candidate, overflow) = power.multipliedReportingOverflow(by: factor)
                if overflow || length / candidate <= 10 {
                    step = overflow ? .max : candidate
                    break search
                }
            }
            (power, digits) = (power.multipliedReportingOverflow(by: 10).partialValue, digits + 1)
            if digits == 19 { break }
        }
        decimals = max(0, 9 - digits)
        var times: [UInt64] = []
        var time = span.lowerBound / step * step
        if time < span.lowerBound { time = time > UInt64.max - step ? .max : time + step }
        while time <= span.upperBound, times.count <= 11 {
            times.append(time)
            let (next, overflow) = time.addingReportingOverflow(step)
            if overflow { break }
            time = next
        }
        self.times = times
    }

    /// Seconds with as many decimals as the ticks need; a count where the clock is not one of time.
    func label(_ time: UInt64) -> String {
        guard unit == .ns else { return grouped(time) }
        let text = TimeFormat(unit: unit).moment(time)
        return String(text.dropLast(decimals == 0 ? 10 : 9 - decimals))
    }
}

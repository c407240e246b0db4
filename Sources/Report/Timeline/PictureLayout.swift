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
    private let lines: Int

    /// - Parameters:
    ///   - entries: those of the legend.
    ///   - lines: of explanation, below it.
    init(rows: Int, columns: Int, entries: Int, lines: Int, hasStale: Bool) {
        (self.rows, self.columns, self.lines) = (rows, columns, lines)
        (bar, named) = rows <= 16 ? (20, 1) : rows <= 64 ? (12, 1) : (6, 2)
        strip = hasStale ? max(2, bar / 5) : 0
        pitch = bar + (hasStale ? strip + 1 : 0) + max(2, bar / 3)
        legendRows = (entries + Self.entriesInRow - 1) / Self.entriesInRow
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
    var height: Int { explanation + lines * 16 }

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
        var (power, digits) = (1 as UInt64, 0)
        while length / power > 50 { (power, digits) = (power * 10, digits + 1) }
        let step = power * (length / power <= 10 ? 1 : length / power <= 20 ? 2 : 5)
        decimals = max(0, 9 - digits)
        var times: [UInt64] = []
        var (time, isBeyond) = (span.lowerBound - span.lowerBound % step, false)
        while !isBeyond, time <= span.upperBound {
            if time >= span.lowerBound { times.append(time) }
            (time, isBeyond) = time.addingReportingOverflow(step)
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

import LazyTLB
import Reconstruction
@testable import Replay
@testable import Report
import Testing

/// Pictures of timelines that are known to the nanosecond.
@Suite struct TimelinePictureTests {
    private var mms = MMTable()
    private let mm: MM

    init() { mm = mms.add(pid: 7, name: "a<b>&") }

    private func interval(_ start: UInt64, _ end: UInt64, cpu: Int = 0, mm own: MM, loaded: MM, active: MM? = nil) -> Interval {
        Interval(cpu: cpu, start: start, end: end, pid: 7, comm: "a", mm: own, loaded: loaded, active: active ?? loaded, basis: .exact)
    }

    private func picture(_ span: Range<UInt64>, cpus: Int = 1, _ intervals: [Interval]) -> String {
        ByteWriter.string { writer in
            let subject = TimelineSubject(trace: "t&t.dat", scheme: "v4.12", evidence: "all", clock: "local", unit: .ns, cpus: cpus, span: span)
            let output = TimelineFormat.svg.output(to: writer, subject)
            output.begin()
            for interval in intervals { output.add(interval, mms) }
            output.end()
        }
    }

    /// The rectangles with that title.
    private func path(_ picture: String, _ title: String) -> Substring? {
        guard let line = picture.split(separator: "\n").first(where: { $0.contains("<title>\(title)</title>") }) else { return nil }
        return line.split(separator: "\"").first { $0.first == "M" }
    }

    /// 2,400 ns on 1,200 pixels.
    @Test func aColumnIsSharedByWhatLiesInIt() throws {
        let picture = picture(
            0..<2_400,
            [interval(0, 1_201, mm: mm, loaded: mm), interval(1_201, 2_398, mm: .none, loaded: mm), interval(2_398, 2_400, mm: .none, loaded: .initMM, active: mm)])
        // The 601st column is half of one and half of the other; on top is what is lazy.
        #expect(path(picture, "CPU 0: a&lt;b&gt;&amp;:7, 50.0 %") == "M0 0h600v20h-600zM600 10h1v10h-1z")
        #expect(path(picture, "CPU 0: a&lt;b&gt;&amp;:7, lazy, 49.9 %") == "M600 0h1v10h-1zM601 0h598v20h-598z")
        #expect(path(picture, "CPU 0: init_mm, &lt; 0.1 %") == "M1199 0h1v20h-1z")
        #expect(path(picture, "CPU 0: active_mm names another mm, &lt; 0.1 %") == "M1199 0h1v4h-1z")
        #expect(picture.contains(">a&lt;b&gt;&amp;:7: 50.0 %, lazy 49.9 %<"))
    }

    /// Fewer units of time than pixels, and the ends of what a clock can count.
    @Test(arguments: [0..<1, 5..<12, UInt64.max - 7..<UInt64.max, 0..<UInt64.max] as [Range<UInt64>])
    func aBarIsAsLongAsAnyOther(_ span: Range<UInt64>) throws {
        let middle = span.lowerBound + (span.upperBound - span.lowerBound) / 2
        let picture = picture(span, [interval(span.lowerBound, middle, mm: .unknown, loaded: .unknown), interval(middle, span.upperBound, mm: mm, loaded: mm)])
        let widths = try ["unknown", "a&lt;b&gt;&amp;:7"].flatMap { name in
            let line = picture.split(separator: "\n").first { $0.contains("<title>CPU 0: \(name), ") }
            return try (line?.split(separator: "\"").first { $0.first == "M" } ?? "").split(separator: "z").map { box in
                try #require(Double(box.split(separator: "h")[1].split(separator: "v")[0]))
            }
        }
        // Widths are written to the hundredth.
        #expect(abs(widths.reduce(0, +) - 1_200) < 0.1)
    }

    /// No time passes: there is nothing to draw, and that is drawn.
    @Test func ofATraceOfOneMomentThereIsAPicture() {
        let picture = picture(5..<5, [])
        #expect(picture.hasSuffix("</svg>\n"))
        #expect(!picture.contains("<path class=\"u"))
    }

    /// What lies beyond the span does not count.
    @Test func intervalsAreCutToTheSpan() {
        let picture = picture(1_000..<2_200, [interval(0, 1_600, mm: mm, loaded: mm), interval(1_600, 9_999, mm: .none, loaded: .initMM)])
        #expect(path(picture, "CPU 0: a&lt;b&gt;&amp;:7, 50.0 %") == "M0 0h600v20h-600z")
        #expect(path(picture, "CPU 0: init_mm, 50.0 %") == "M600 0h600v20h-600z")
    }

    /// Ten mms have a colour, by how long they were loaded, and all others one together.
    @Test mutating func thoseThatWereLoadedLongestHaveColoursOfTheirOwn() {
        let all = (0..<13).map { mms.add(pid: 100 + Int32($0), name: "p") }
        var (intervals, time): ([Interval], UInt64) = ([], 0)
        // The later the longer: 1, 2, … 13 columns.
        for (place, mm) in all.enumerated() {
            let end = time + UInt64(place + 1) * 10
            intervals.append(interval(time, end, mm: mm, loaded: mm))
            time = end
        }
        let picture = picture(0..<time, intervals)
        let entries = picture.split(separator: "\n").filter { $0.hasPrefix("<rect x=") && $0.contains("class=\"u") }.map { $0.split(separator: ">").last { $0.contains(" %") } ?? "" }
        #expect(entries.count == 11)
        #expect(entries.first?.hasPrefix("p:112: 14.3 %") == true, "\(entries)")
        #expect(entries.last?.hasPrefix("3 other mms: 6.6 %") == true, "\(entries)")
    }

    /// Seconds of the clock, round ones; a count where it is not one of time.
    @Test(arguments: [
        (0..<1_000_000_000 as Range<UInt64>, 100_000_000 as UInt64, "0.1"), (14_790_321_511..<19_310_000_000, 500_000_000, "15.0"), (16_000_000_123..<16_000_000_130, 1, "16.000000123"),
        (3_000_000_000..<99_000_000_000, 10_000_000_000, "10"),
    ])
    func ticksAreRound(_ span: Range<UInt64>, _ step: UInt64, _ label: String) {
        let ticks = PictureTicks(span, unit: .ns)
        #expect((5...11).contains(ticks.times.count))
        #expect(ticks.times.allSatisfy { $0 % step == 0 && $0 >= span.lowerBound && $0 <= span.upperBound })
        #expect(zip(ticks.times, ticks.times.dropFirst()).allSatisfy { $1 - $0 == step })
        #expect(ticks.times.contains { ticks.label($0) == label })
        #expect(PictureTicks(span, unit: .count).label(1_234_567) == "1,234,567")
    }
}

import Foundation
import FoundationXML
import TestSupport
import Testing

/// `lazytlb timeline --format svg`: areas, beside the rows of the same timeline.
@Suite struct TimelinePictureTests {
    /// What is drawn of a CPU: by the name that its title has, the area in pixels, and the share that is written there.
    private final class Picture: NSObject, XMLParserDelegate {
        var areas: [String: [String: Double]] = [:]
        var shares: [String: [String: String]] = [:]
        private var path: String?
        private var title: String?

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?, attributes: [String: String] = [:]
        ) {
            if name == "path" { path = attributes["d"] }
            if name == "title" { title = "" }
        }

        func parser(_ parser: XMLParser, foundCharacters characters: String) { title? += characters }

        func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
            if name == "title", let path, let title {
                // "CPU 1: wl:861, lazy, 12.3 %"
                let head = title.components(separatedBy: ": ")[0]
                let rest = title.dropFirst(head.count + 2)
                let comma = rest.range(of: ", ", options: .backwards)!
                areas[head, default: [:]][String(rest[..<comma.lowerBound])] = Self.area(path)
                shares[head, default: [:]][String(rest[..<comma.lowerBound])] = String(rest[comma.upperBound...])
            }
            if name == "title" { title = nil }
            if name == "path" { path = nil }
        }

        /// Of rectangles as `M0 3.5h2v4h-2z`.
        private static func area(_ path: String) -> Double {
            path.split(separator: "z").reduce(0) { sum, box in
                let parts = box.split(whereSeparator: { "M hv".contains($0) }).compactMap { Double($0) }
                #expect(parts.count == 5 && parts[2] == -parts[4], "\(box) is no rectangle")
                return sum + parts[2] * parts[3]
            }
        }
    }

    private struct Row: Decodable {
        var cpu: Int
        var start_ns: UInt64
        var end_ns: UInt64
        var loaded_mm: String
        var state: String
        var active_mm: String?

        var name: String {
            switch state {
            case "user": loaded_mm
            case "lazy": loaded_mm + ", lazy"
            case "init": "init_mm"
            default: "unknown"
            }
        }
    }

    private func output(_ trace: String, _ format: String, _ options: [String]) throws -> Data {
        let outcome = try lazytlb(["timeline", trace, "--format", format] + options)
        try #require(outcome.status == 0, "\(outcome.errors)")
        return outcome.output
    }

    private func picture(_ data: Data) throws -> Picture {
        let (parser, picture) = (XMLParser(data: data), Picture())
        parser.delegate = picture
        try #require(parser.parse(), "\(String(describing: parser.parserError))")
        return picture
    }

    @Test(arguments: [
        ("fixtures/v4.12-threads-2cpu-truth-c3idle.dat", ["--scheme", "v4.12", "--to", "14"]), ("fixtures/v4.12-threads-2cpu-truth-c3idle.dat", ["--cpu", "1", "--from", "13.9", "--to", "14"]),
        ("fixtures/v4.12-threads-4cpu-truth-lost.dat", ["--evidence", "switches-only"]), ("fixtures/debian7.3-forkexec-4cpu-truth.dat", []),
        ("fixtures/v4.12-reclaim-4cpu-truth.dat", ["--scheme", "v4.12"]),
    ])
    func areasAreTimes(_ trace: String, _ options: [String]) throws {
        let picture = try picture(output(trace, "svg", options))
        var (times, stale): ([String: [String: UInt64]], [String: UInt64]) = ([:], [:])
        let named = Set(picture.areas.values.flatMap(\.keys))
        for line in try output(trace, "json", options).split(separator: UInt8(ascii: "\n")) {
            let row = try JSONDecoder().decode(Row.self, from: Data(line))
            let name = named.contains(row.name) ? row.name : row.name.hasSuffix(", lazy") ? "other mms, lazy" : "other mms"
            times["CPU \(row.cpu)", default: [:]][name, default: 0] += row.end_ns - row.start_ns
            if row.active_mm != nil { stale["CPU \(row.cpu)", default: 0] += row.end_ns - row.start_ns }
        }
        #expect(Set(picture.areas.keys) == Set(times.keys))
        for (cpu, times) in times {
            var areas = try #require(picture.areas[cpu])
            let staleArea = areas.removeValue(forKey: "active_mm names another mm")
            let whole = Double(times.values.reduce(0, +))
            // A bar is full, whatever is in it: 1,200 pixels by 20.
            #expect(abs(areas.values.reduce(0, +) - 24_000) < 0.01, "\(cpu)")
            #expect(Set(areas.keys).isSubset(of: times.keys), "\(cpu)")
            for (name, time) in times {
                let share = Double(time) / whole
                #expect(abs(areas[name, default: 0] / 24_000 - share) < 0.006, "\(cpu): \(name)")
                let text = picture.shares[cpu]?[name] ?? ""
                if share >= 0.001, share <= 0.999 {
                    let written = try #require(Double(text.dropLast(2)), "\(cpu): \(name): \(text)")
                    #expect(abs(written / 100 - share) <= 0.000_501, "\(cpu): \(name): \(text)")
                }
            }
            // The strip below is 4 pixels high.
            #expect(abs((staleArea ?? 0) / 4_800 - Double(stale[cpu] ?? 0) / whole) < 0.03, "\(cpu)")
        }
        #expect(picture.areas.values.contains { $0["active_mm names another mm"] != nil } == options.contains("v4.12"))
    }

    @Test func whatIsBehindTheTraceIsRefusedBeforeAnythingIsWritten() throws {
        let outcome = try lazytlb(["timeline", "fixtures/v4.12-threads-2cpu-truth-c3idle.dat", "--format", "svg", "--from", "99"])
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("--from 99 is behind all of the trace"))
        #expect(outcome.output.isEmpty)
    }
}

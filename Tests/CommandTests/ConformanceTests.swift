import Foundation
import Report
import Testing

/// The schemes predict what real kernels recorded: docs/conformance.md.
///
/// The recordings are those of fixtures/ and, where they are, the larger ones of ../shared/traces or of the folder that LAZYTLB_TRACES
/// names. The largest take too long for a debug build: `tools/conformance --check FILE…` checks those.
@Suite struct ConformanceTests {
    /// Recordings with probe events of kernels that run one of the schemes, without lost events.
    static let recordings: [String] = {
        let names = { (folder: String) in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] }
        let fixtures = packageFolder.appendingPathComponent("fixtures").path
        let isWanted = { (name: String) in
            name.hasSuffix(".dat") && name.contains("-truth") && !name.contains("-lost") && !name.contains("-mixed-")
                && (name.hasPrefix("v4.12") || name.hasPrefix("v4.13") || name.hasPrefix("parent"))
        }
        let own = names(fixtures).filter(isWanted).sorted()
        return own.map { "\(fixtures)/\($0)" } + names(largeFolder).filter { isWanted($0) && !own.contains($0) }.sorted().map { "\(largeFolder)/\($0)" }
    }()

    static let largeFolder =
        ProcessInfo.processInfo.environment["LAZYTLB_TRACES"]
        ?? packageFolder.deletingLastPathComponent().appendingPathComponent("shared/traces").path

    static var hasLarge: Bool { FileManager.default.fileExists(atPath: largeFolder) }

    private func report(_ path: String, _ options: [String] = []) throws -> ReportDocument {
        let outcome = try lazytlb(["report", "--format", "json", path] + options)
        try #require(outcome.status == 0, "\(outcome.errors)")
        return try #require(try readReports(json: outcome.output).first)
    }

    @Test(arguments: recordings)
    func aKernelsOwnSchemePredictsItsRecordsMasksAndCounters(_ path: String) throws {
        // The rework's parent calls itself 4.13, too.
        let isParent = path.split(separator: "/").last?.hasPrefix("parent") == true
        let document = try report(path, isParent ? ["--kernel", "v4.13-parent"] : [])
        let conformance = try #require(document.conformance)
        #expect(Double(conformance.matched) >= 0.998 * Double(max(conformance.records, conformance.predicted)))
        let masks = try #require(conformance.masks)
        #expect(Double(conformance.masksMatched ?? 0) >= 0.99 * Double(masks))

        for scheme in document.schemes.values {
            #expect(scheme.ipiTargets == scheme.ipiFlushed + scheme.ipiLeft + scheme.ipiIgnored)
        }

        let marks = (document.marks ?? []).filter { $0.recorded != nil }
        let first = try #require(marks.first)
        let last = try #require(marks.last)
        func distance(_ counter: (ReportDocument.VMStat) -> Int) throws -> (off: Int, of: Int) {
            let recorded = counter(try #require(last.recorded)) - counter(try #require(first.recorded))
            return (abs(counter(last.vmstat) - counter(first.vmstat) - recorded), recorded)
        }
        #expect(try distance(\.remoteFlush).off <= 3)
        for counter in [\ReportDocument.VMStat.remoteFlushReceived, \.localFlushAll, \.localFlushOne] {
            let (off, recorded) = try distance { $0[keyPath: counter] }
            // Of a small number 1 % is less than one.
            #expect(off <= max(3, recorded / 100))
        }
    }

    /// Lazy CPUs that took part in a batched flush stay in the mask of the mm that they borrow (v4.12), and are interrupted again.
    @Test(.enabled(if: hasLarge, "the recording is not among the fixtures"))
    func theOldSchemeInterruptsLazyCPUsThatTookPartInABatchedFlush() throws {
        let document = try report("\(Self.largeFolder)/v4.13-reclaim-4cpu-truth.dat", ["--divergences", "all"])
        let old = try #require(document.schemes["v4.12"]?.ipiTargets)
        let new = try #require(document.schemes["v4.13"]?.ipiTargets)
        #expect(old > new)
        let extra = (document.divergences ?? []).filter { $0.kind == "extra-ipi" && $0.old == "v4.12" }
        #expect(extra.reduce(0) { $0 + ($1.targets?.count ?? 0) } == document.comparisons.first?.extraIPITargets)
        for divergence in extra {
            #expect(divergence.targets?.isEmpty == false)
            #expect(divergence.mm != nil)
            #expect(divergence.timeNS >= document.trace.startNS)
        }
    }
}

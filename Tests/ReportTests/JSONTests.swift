import Report
import Testing

@Suite struct JSONTests {
    @Test func theSampleIsWrittenAsItsGolden() throws {
        try expectGolden(renderJSON([sampleDocument()]), "sample.json")
    }

    @Test func whatIsWrittenReadsBack() throws {
        let sample = sampleDocument()
        let empty = ReportDocument(tool: .init(version: "1"), trace: .init(path: "x", cpus: 0, events: 0))
        #expect(try readReports(json: renderJSON([sample]).utf8) == [sample])
        #expect(try readReports(json: renderJSON([sample, empty]).utf8) == [sample, empty])
        #expect(try readReports(json: renderJSON([]).utf8) == [])
    }

    @Test func unknownValuesAreNull() throws {
        let empty = ReportDocument(tool: .init(version: "1"), trace: .init(path: "x", cpus: 0, events: 0))
        let text = try renderJSON([empty])
        for key in ["kernel", "machine", "conformance", "ipi_matrix", "p99_ns", "scheme"] {
            #expect(text.contains("\"\(key)\" : null"))
        }
        #expect(!text.contains("divergences"))
        #expect(!text.contains("marks"))
    }

    @Test func timesAreExact() throws {
        var document = sampleDocument()
        document.trace.startNS = .max
        #expect(try renderJSON([document]).contains("\"start_ns\" : 18446744073709551615"))
        #expect(try readReports(json: renderJSON([document]).utf8) == [document])
    }

    @Test func aReportOfAnotherVersionIsRefused() throws {
        var document = sampleDocument()
        document.schemaVersion = 99
        let text = try renderJSON([document])
        #expect(throws: ReportReadingError.unsupportedVersion(99)) { try readReports(json: text.utf8) }
    }

    @Test(arguments: ["", "{", "{}", "[1]", "null", "{\"schema_version\": 1}", "{\"schema_version\": \"1\"}"])
    func whatIsNoReportIsRefused(text: String) {
        #expect(throws: ReportReadingError.self) { try readReports(json: text.utf8) }
    }

    /// What is expected is said in JSON's words, not in those of the program.
    @Test(arguments: [
        (#""tool" : {}"#, "the key"), (#""tool" : "lazytlb""#, "expected an object at tool"), (#""tool" : null"#, "expected an object at tool"),
        (#""tool" : {"name" : 1, "version" : "1"}"#, "expected a string at tool.name"),
    ])
    func whatWasExpectedIsSaidInWordsOfJSON(tool: String, message: String) {
        var said = ""
        do { _ = try readReports(json: #"{"schema_version" : 1, \#(tool)}"#.utf8) } catch { said = "\(error)" }
        #expect(said.contains(message), "\(said)")
    }

    @Test func theMatrixIsDenseUpTo64CPUs() {
        let pairs: [ReportDocument.IPIMatrix.Pair] = [.init(from: 1, to: 0, count: 2), .init(from: 1, to: 0, count: 3)]
        let dense = ReportDocument.IPIMatrix(scheme: "v4.13", cpus: 2, pairs: pairs)
        #expect(dense.rows == [[0, 0], [5, 0]])
        #expect(dense.pairs == nil)
        let sparse = ReportDocument.IPIMatrix(scheme: "v4.13", cpus: 65, pairs: pairs)
        #expect(sparse.rows == nil)
        #expect(sparse.pairs == [.init(from: 1, to: 0, count: 5)])
        #expect(dense.nonzeroPairs == sparse.nonzeroPairs)
    }

    @Test func aMarkCarriesItsCountersOnlyIfAllFourAreThere() {
        let four = "x nr_tlb_remote_flush=1 nr_tlb_remote_flush_received=2 nr_tlb_local_flush_all=3 nr_tlb_local_flush_one=4"
        #expect(
            ReportDocument.VMStat(parsing: four)
                == .init(remoteFlush: 1, remoteFlushReceived: 2, localFlushAll: 3, localFlushOne: 4))
        #expect(ReportDocument.VMStat(parsing: "nr_tlb_remote_flush=1") == nil)
        #expect(ReportDocument.VMStat(parsing: four + "x") == nil)
    }
}

import Testing

@testable import TraceData

/// Names by pid, whatever a file states as pids.
@Suite struct CommTableTests {
    @Test func namesAreFoundUnderAnyPid() throws {
        let pids: [Int32] = [.min, -5, -1, 1, 1023, 1024, 32_768, 4_194_303, 4_194_304, .max]
        let saved = Dictionary(uniqueKeysWithValues: pids.map { ($0, Comm("task \($0)")) })
        let table = CommTable(EventFormats(texts: [], path: "", bigEndian: false, longSize: 8), saved: saved)
        for pid in pids { #expect(table.name(pid) == Comm("task \(pid)")) }
        // Neighbours have none.
        for pid: Int32 in [-6, -2, 2, 1022, 1025, 4_194_302, 4_194_305] { #expect(table.name(pid) == nil) }
    }

    @Test func thePidOfIdleTasksIsTheirs() {
        let table = CommTable(EventFormats(texts: [], path: "", bigEndian: false, longSize: 8), saved: [0: "impostor"])
        #expect(table.name(0) == "<idle>")
    }

    @Test func anEmptyNameIsOne() {
        let table = CommTable(EventFormats(texts: [], path: "", bigEndian: false, longSize: 8), saved: [7: "", 8: "eight", -7: ""])
        #expect(table.name(7) == .empty)
        #expect(table.name(-7) == .empty)
        #expect(table.name(8) == "eight")
        #expect(table.name(9) == nil)
    }
}

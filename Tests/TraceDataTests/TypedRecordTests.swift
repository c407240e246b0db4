import Foundation
import TestSupport
import Testing

@testable import TraceData

/// What the hot loop and the typed decoders take from a record, against the generic fields, which trace-cmd is the oracle of.
@Suite struct TypedRecordTests {
    /// A record's fields by name, integers as 64 bits.
    private func fields(_ formats: EventFormats, _ record: Record) -> [String: UInt64] {
        var result: [String: UInt64] = [:]
        for (name, value) in formats.fields(of: record) {
            switch value {
            case .signed(let number): result[name] = UInt64(bitPattern: number)
            case .unsigned(let number), .hex(let number): result[name] = number
            default: break
            }
        }
        return result
    }

    private func forEach(_ path: String, _ body: (TraceFile, Record) throws -> Void) throws {
        let file = try TraceFile(path: path)
        for stream in file.streams() {
            var record = Record.none
            while try stream.next(&record) { try body(file, record) }
        }
    }

    /// A string field as bytes.
    private func text(_ formats: EventFormats, _ record: Record, _ name: String) -> [UInt8]? {
        for case (name, .text(let bytes)) in formats.fields(of: record) { return Array(bytes) }
        return nil
    }

    static let some = ["v4.12-threads-4cpu-plain.dat", "v4.12i386-threads-4cpu-truth.dat"].map(Recordings.fixture)
        + ["s390x6.1-forkexec-2cpu-plain.dat"].compactMap(Recordings.shared)

    @Test(arguments: some)
    func switchesAndFlushesHaveTheirFieldsInTheRecord(path: String) throws {
        var wrong = 0
        var seen: Set<Record.Kind> = []
        try forEach(path) { file, record in
            let fields = fields(file.formats, record)
            switch record.kind {
            case .schedSwitch:
                if UInt64(bitPattern: Int64(record.prevPID)) != fields["prev_pid"] || UInt64(bitPattern: Int64(record.nextPID)) != fields["next_pid"]
                    || record.word1 != fields["prev_state"]
                { wrong += 1 }
                let priorities = file.formats.schedSwitchPriorities(record)
                if UInt64(bitPattern: Int64(priorities.next)) != fields["next_prio"] { wrong += 1 }
                let comms = file.formats.schedSwitchComms(record)
                if comms.prev.bytes != text(file.formats, record, "prev_comm") { wrong += 1 }
                if comms.next.bytes != text(file.formats, record, "next_comm") { wrong += 1 }
            case .tlbFlush:
                if UInt64(bitPattern: Int64(record.reason)) != fields["reason"] || UInt64(bitPattern: record.pages) != fields["pages"] { wrong += 1 }
            case .newTask:
                let task = file.formats.newTask(record)
                if UInt64(bitPattern: Int64(task.pid)) != fields["pid"] || task.cloneFlags != fields["clone_flags"] { wrong += 1 }
            default: return
            }
            seen.insert(record.kind)
        }
        #expect(wrong == 0)
        #expect(seen.isSuperset(of: [.schedSwitch, .newTask]))
    }

    @Test func flushesOfEverythingArePagesMinusOneOn32BitKernels() throws {
        var all = 0
        try forEach(Recordings.fixture("v4.12i386-threads-4cpu-truth.dat")) { _, record in
            if record.kind == .tlbFlush, record.pages == -1 { all += 1 }
            #expect(record.kind != .tlbFlush || record.pages < 1 << 20)
        }
        #expect(all > 1000)
    }

    static let probed = ["v4.12i386-threads-4cpu-truth.dat", "v4.12-threads-2cpu-truth-c3idle.dat", "debian5.10-mixed-4cpu-truth.dat"].map(Recordings.fixture)
        + ["debian6.1-reclaim-4cpu-truth.dat"].compactMap(Recordings.shared)

    @Test(arguments: probed)
    func probesHaveTheirFields(path: String) throws {
        var wrong: Set<String> = []
        // CPUs that other ones' records tell of, and those that they could.
        var (others, all): (Set<Int32>, Set<Int32>) = ([], [])
        var probes = 0
        try forEach(path) { file, record in
            guard record.kind.isProbe else { return }
            probes += 1
            let probe = file.formats.probe(record)
            let fields = fields(file.formats, record)
            func check(_ value: UInt64, _ names: String...) {
                let expected = names.compactMap { fields[$0] }.first ?? 0
                if value != expected { wrong.insert(names[0]) }
            }
            func check(_ value: Int32, _ names: String...) {
                let expected = names.compactMap { fields[$0] }.first ?? 0
                if UInt64(bitPattern: Int64(value)) != expected { wrong.insert(names[0]) }
            }
            check(probe.mm, "mm")
            check(probe.prevMM, "pmm", record.kind == .swMM ? "prev" : "-")
            check(probe.nextMM, "nmm", record.kind == .swMM ? "next" : "-")
            check(probe.task, "tsk")
            check(probe.start, "start", "addr")
            check(probe.end, "end")
            check(probe.vmFlags, "vmflag")
            check(probe.mask, "mask", "nmask")
            check(probe.pid, "npid", "tpid", "pid")
            check(probe.ownMM, "lm\(record.cpu)")
            check(probe.ownState, "st\(record.cpu)")
            check(probe.ownLazy ? UInt64(1) : 0, "lz\(record.cpu)")
            if probe.otherCPU >= 0 {
                others.insert(probe.otherCPU)
                check(probe.otherMM, "lm\(probe.otherCPU)")
                check(probe.otherLazy ? UInt64(1) : 0, "lz\(probe.otherCPU)")
                if probe.otherCPU == record.cpu { wrong.insert("otherCPU") }
            }
            if fields["lz0"] != nil { all.formUnion((0..<16).filter { fields["lm\($0)"] != nil }) }
            if probe.hasMask != (fields["mask"] != nil || fields["nmask"] != nil) { wrong.insert("hasMask") }
            if probe.hasOwnMM != (fields["lm\(record.cpu)"] != nil) { wrong.insert("hasOwnMM") }
        }
        #expect(wrong.isEmpty)
        #expect(probes > 1000)
        #expect(others == all)
    }

    @Test func markersAndNamesAreText() throws {
        var markers: [String] = []
        var names: Set<String> = []
        var execs: Set<String> = []
        try forEach(Recordings.fixture("v4.12-threads-2cpu-truth-c3idle.dat")) { file, record in
            switch record.kind {
            case .marker: markers.append(file.formats.marker(record))
            case .rename: names.insert(file.formats.rename(record).newComm.description)
            case .exec: execs.insert(file.formats.exec(record).filename)
            default: break
            }
        }
        #expect(markers.first == "lab start begin")
        #expect(markers.last == "lab stop end")
        #expect(names.contains("wl"))
        #expect(execs.contains("/bin/wl"))
    }

    @Test func theMergeIsWhatSortingByTimeGives() throws {
        let path = Recordings.fixture("v4.12-threads-4cpu-plain.dat")
        let file = try TraceFile(path: path)
        var all: [(UInt64, Int32)] = []
        try forEach(path) { _, record in all.append((record.time, record.cpu)) }
        all.sort { $0 < $1 }
        var merge = RecordMerge(file)
        var record = Record.none
        var index = 0
        var wrong = 0
        while try merge.next(&record) {
            if all[index] != (record.time, record.cpu) { wrong += 1 }
            index += 1
        }
        #expect(wrong == 0)
        #expect(index == all.count)
    }

    @Test func streamsMayRunOnDifferentThreads() async throws {
        let file = try TraceFile(path: Recordings.fixture("v4.12-threads-4cpu-plain.dat"))
        let alone = try file.cpusWithData.map { try count(file, $0) }
        let together = try await withThrowingTaskGroup(of: (Int, Int).self) { group in
            for (index, cpu) in file.cpusWithData.enumerated() { group.addTask { (index, try count(file, cpu)) } }
            var counts = alone.map { _ in 0 }
            for try await (index, number) in group { counts[index] = number }
            return counts
        }
        #expect(alone == together)
    }
}

private func count(_ file: TraceFile, _ cpu: Int) throws -> Int {
    let stream = file.stream(cpu: cpu)
    var record = Record.none
    var count = 0
    while try stream.next(&record) { count += 1 }
    return count
}

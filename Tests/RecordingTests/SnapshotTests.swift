import AccuracyKit
import Foundation
@testable import Recording
import TestSupport
import Testing
import TraceData
import TraceWriting

/// The snapshot of the tasks: what it makes of /proc, its lines, and what it is worth.
@Suite struct TaskSnapshotTests {
    /// A folder that looks like procfs. Tasks by process; a name, a state and flags for each.
    private func withProc<R>(_ processes: [Int: [(task: Int, name: String, state: String, flags: Int)]], _ body: (String) throws -> R) throws -> R {
        try withFolder { folder in
            for (process, tasks) in processes {
                for task in tasks {
                    let place = URL(fileURLWithPath: "\(folder)/\(process)/task/\(task.task)/stat")
                    try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
                    let fields = "\(task.task) (\(task.name)) \(task.state) 1 1 1 0 -1 \(task.flags) 0 0 0 0 0 0 0 0 20 0 1 0 77 0 0\n"
                    try Data(fields.utf8).write(to: place)
                }
            }
            try Data().write(to: URL(fileURLWithPath: folder + "/meminfo"))
            return try body(folder)
        }
    }

    private static let kernelThread = 0x20_8040
    private static let exiting = 0x4

    @Test func threadsOfAProcessShareAnMMAndKernelThreadsHaveNone() throws {
        let tasks = [
            2: [(task: 2, name: "kthreadd", state: "S", flags: Self.kernelThread)],
            10: [(task: 10, name: "a b) R 1 (c", state: "R", flags: 0), (task: 12, name: "thread", state: "S", flags: 0)],
            20: [(task: 20, name: "other", state: "S", flags: 0)],
        ]
        try withProc(tasks) { proc in
            // Each mm is that of its process.
            let snapshot = TaskSnapshot(proc: proc) { $0 == $1 ? 0 : $0 < $1 ? 1 : 2 }
            #expect(snapshot.kernelThreads == [2])
            #expect(snapshot.mms == [[10, 12], [20]])
            #expect(snapshot.names == [2: "kthreadd", 10: "a b) R 1 (c", 12: "thread", 20: "other"])
            #expect(snapshot.lines == ["lazytlb-tasks 1 kernel 2;", "lazytlb-tasks 1 mm 10 12; 20;", "lazytlb-tasks 1 threads 10 12;", "lazytlb-tasks 1 end"])
        }
    }

    @Test func processesWithOneMMAreOneGroup() throws {
        let tasks = Dictionary(uniqueKeysWithValues: (1...40).map { ($0, [(task: $0, name: "x", state: "S", flags: 0)]) })
        try withProc(tasks) { proc in
            // An order that has nothing to do with pids, as the kernel's is.
            func mm(_ pid: Int32) -> Int32 { pid * 7 % 5 }
            let snapshot = TaskSnapshot(proc: proc) { mm($0) == mm($1) ? 0 : mm($0) < mm($1) ? 1 : 2 }
            #expect(snapshot.mms.count == 5)
            #expect(snapshot.mms.allSatisfy { Set($0.map(mm)).count == 1 && $0.count == 8 })
        }
    }

    @Test func withoutKcmpAGroupIsAProcessAndMayShareWithOthers() throws {
        let tasks = [10: [(task: 10, name: "x", state: "S", flags: 0)], 20: [(task: 20, name: "x", state: "S", flags: 0)]]
        try withProc(tasks) { proc in
            let forbidden = TaskSnapshot(proc: proc) { _, _ in -1 }
            #expect(forbidden.lines == ["lazytlb-tasks 1 process 10; 20;", "lazytlb-tasks 1 end"])
            // Of one it is not allowed.
            let partly = TaskSnapshot(proc: proc) { first, second in first == 20 || second == 20 ? -1 : 0 }
            #expect(partly.mms == [[10]])
            #expect(partly.processes == [[20]])
        }
    }

    @Test func whoIsExitingIsLeftOut() throws {
        let tasks = [
            10: [(task: 10, name: "dead", state: "Z", flags: Self.exiting), (task: 11, name: "alive", state: "S", flags: 0)],
            20: [(task: 20, name: "dying", state: "R", flags: Self.exiting)],
        ]
        try withProc(tasks) { proc in
            // The leader has no mm any more: another task stands for the process.
            let snapshot = TaskSnapshot(proc: proc) { $0 == 10 || $1 == 10 ? -1 : $0 == $1 ? 0 : 1 }
            #expect(snapshot.mms == [[11]])
            #expect(snapshot.threads == [[10, 11]])
        }
    }

    @Test func aLongGroupGoesOnInTheNextLine() throws {
        let tasks = [1000: (0..<400).map { (task: 1000 + $0, name: "x", state: "S", flags: 0) }]
        try withProc(tasks) { proc in
            for kind in ["mm", "threads"] {
                let head = "lazytlb-tasks 1 \(kind) "
                let lines = TaskSnapshot(proc: proc) { _, _ in 0 }.lines.filter { $0.hasPrefix(head) }
                #expect(lines.count == 3)
                #expect(lines.allSatisfy { $0.utf8.count <= 900 && $0.hasSuffix(";") && !$0.dropLast().contains(";") })
                let listed = lines.map { $0.dropFirst(head.count).dropLast().split(separator: " ").compactMap { Int($0) } }
                #expect(listed.allSatisfy { $0.first == 1000 })
                #expect(Set(listed.joined()) == Set(1000..<1400))
            }
        }
    }

    @Test func aTaskThatGoesAwayMeanwhileIsNoError() throws {
        try withProc([10: [(task: 10, name: "x", state: "S", flags: 0)]]) { proc in
            try FileManager.default.createDirectory(atPath: proc + "/11/task/11", withIntermediateDirectories: true)
            try FileManager.default.createDirectory(atPath: proc + "/12", withIntermediateDirectories: true)
            #expect(TaskSnapshot(proc: proc) { $0 == $1 ? 0 : 1 }.mms == [[10]])
        }
    }

    /// Else who is born meanwhile would be in the snapshot, and its birth before it: a reader could not tell that what is listed may have changed.
    @Test func theFirstLineIsWrittenBeforeProcIsRead() throws {
        try withProc([10: [(task: 10, name: "x", state: "S", flags: 0)]]) { proc in
            var lines: [String] = []
            try TaskSnapshot.write(proc: proc, compare: { $0 == $1 ? 0 : $0 < $1 ? 1 : 2 }) { line in
                if lines.isEmpty { try FileManager.default.moveItem(atPath: proc + "/10", toPath: proc + "/9") }
                lines.append(line)
            }
            // A process of which the only task is not its leader: it has moved when the line was written.
            #expect(lines == ["lazytlb-tasks 1 begin", "lazytlb-tasks 1 mm 10;", "lazytlb-tasks 1 threads 9 10;", "lazytlb-tasks 1 end"])
        }
    }

    /// The kernel saves names when tasks are switched (tracing_record_taskinfo_sched_switch(), kernel/trace/trace.c): of those that slept all the time the snapshot alone has one.
    @Test func namesThatTheKernelDidNotSaveAreThoseOfTheSnapshot() throws {
        let tasks = [10: [(task: 10, name: "before", state: "S", flags: 0)], 20: [(task: 20, name: "asleep", state: "S", flags: 0)]]
        try withProc(tasks) { folder in
            // It is a tracefs as well.
            for name in ["instances", "events"] { try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true) }
            try Data("10 saved".utf8).write(to: URL(fileURLWithPath: folder + "/saved_cmdlines"))
            var container = TraceContainer(uname: nil, headerPage: [], headerEvent: [], formats: [], pageSize: 4096)
            container.setNames(try TraceFS(path: folder), TaskSnapshot(proc: folder) { _, _ in -1 })
            #expect(String(decoding: container.commandLines, as: UTF8.self) == "10 saved\n20 asleep\n")
        }
    }

    // MARK: namespaces

    /// The pids that the kernel puts into traces are those of the initial namespace.
    @Test func inAnotherPidNamespaceThereIsNone() throws {
        try withFolder { proc in
            func hindrance(_ namespace: String?, itself: String?) throws -> String? {
                for name in ["self", "42", "43"] { try? FileManager.default.removeItem(atPath: "\(proc)/\(name)") }
                try FileManager.default.createDirectory(atPath: "\(proc)/\(itself ?? "42")/ns", withIntermediateDirectories: true)
                if let namespace { try FileManager.default.createSymbolicLink(atPath: "\(proc)/\(itself ?? "42")/ns/pid", withDestinationPath: namespace) }
                if let itself { try FileManager.default.createSymbolicLink(atPath: proc + "/self", withDestinationPath: itself) }
                return TaskSnapshot.hindrance(proc: proc, pid: 42)
            }
            let initial = try hindrance("pid:[4026531836]", itself: "42")
            #expect(initial == nil)
            let only = try hindrance(nil, itself: "42")
            #expect(only == nil)
            let contained = try hindrance("pid:[4026532180]", itself: "42")
            #expect(contained?.contains("a pid namespace of its own") == true)
            // procfs knows the caller by another pid than the caller does.
            let renumbered = try hindrance("pid:[4026531836]", itself: "43")
            #expect(renumbered?.contains("a pid namespace of its own") == true)
            // procfs is mounted in a namespace that is not the caller's.
            let mixed = try hindrance(nil, itself: nil)
            #expect(mixed == "\(proc) is not mounted, or is that of another pid namespace")
        }
    }

    @Test(.enabled(if: geteuid() == 0 && access("/usr/bin/unshare", X_OK) == 0, "needs root and unshare"), arguments: [[], ["--mount-proc"]])
    func inAPidNamespaceOfItsOwnTasksIsRefused(options: [String]) throws {
        let result = try Program.run("/usr/bin/unshare", with: ["--pid", "--fork"] + options + [Program.lazytlb, "tasks"])
        // Where no namespace can be made, unshare has failed itself.
        guard !result.errors.hasPrefix("unshare:") else { return }
        #expect(result.status == 2)
        #expect(result.text.isEmpty)
        #expect(result.errors.hasPrefix("lazytlb: this is a pid namespace of its own"), "\(result.errors)")
    }

    // MARK: what it is worth

    private static let attached = Recordings.shared("v4.12-attach-4cpu-truth.dat")

    /// The recording begins while everything already runs, and its first milliseconds tell little of who shares an mm. The list of tasks beside it was made before it
    /// began. The truth is in its probe events.
    @Test(.enabled(if: attached != nil && Program.hasTraceCmd, "needs the larger set of recordings and trace-cmd"), arguments: [20, 50])
    func tasksThatExistedGetTheirMMsFromTheStart(milliseconds: UInt64) throws {
        let attached = try #require(Self.attached)
        try withFolder { folder in
            let plain = folder + "/v6.dat"
            let converted = try Program.run("/bin/sh", "-c", "trace-cmd convert --file-version 6 -i \"$0\" -o \"$1\" >/dev/null 2>&1", attached, plain)
            try #require(converted.status == 0)
            var trace = try Version6(plain)
            trace.cut(behind: milliseconds * 1_000_000)
            try trace.bytes.write(to: URL(fileURLWithPath: plain))
            let listed = folder + "/listed.dat"
            trace.prepend(lines: try Self.lines(attached.replacingOccurrences(of: ".dat", with: ".tasks.txt")))
            try trace.bytes.write(to: URL(fileURLWithPath: listed))
            let truth = try #require(try Truth(TraceFile(path: plain)))
            let without = try Measurement(TraceFile(path: plain), .noProbes, against: truth)
            let with = try Measurement(TraceFile(path: listed), .noProbes, against: truth)
            #expect(with.evidence.snapshot > 0 && without.evidence.snapshot == 0)
            #expect(with.accuracy.switches.accuracy == 1)
            #expect(try #require(without.accuracy.switches.accuracy) < 0.99)
            #expect(with.accuracy.time.accuracy == 1)
            #expect(try #require(without.accuracy.time.accuracy) < 0.99)
        }
    }

    /// The lines of a snapshot, from a list of tasks before the recording (`tid=59 tgid=59 ppid=58 user comm=wl`).
    private static func lines(_ path: String) throws -> [String] {
        let list = try String(contentsOfFile: path, encoding: .utf8).components(separatedBy: "### after")[0]
        var kernel: [Int] = []
        var processes: [Int: [Int]] = [:]
        for line in list.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 4, let tid = Int(words[0].dropFirst(4)), let tgid = Int(words[1].dropFirst(5)) else { continue }
            if words[3] == "kernel" { kernel.append(tid) } else { processes[tgid, default: []].append(tid) }
        }
        let groups = processes.sorted { $0.key < $1.key }.map { $0.value.map(String.init).joined(separator: " ") + ";" }
        return [
            "lazytlb-tasks 1 begin", "lazytlb-tasks 1 kernel \(kernel.map(String.init).joined(separator: " "));",
            "lazytlb-tasks 1 process \(groups.joined(separator: " "))", "lazytlb-tasks 1 end",
        ]
    }
}

/// A trace.dat file of version 6, to be changed (trace-cmd.dat.v6(5)).
struct Version6 {
    private(set) var bytes: Data
    /// Where each CPU's offset and size are.
    private let table: Int
    private let cpus = 4
    private let page = 4096

    init(_ path: String) throws {
        bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        table = try #require(bytes.range(of: Data("flyrecord\0".utf8))).upperBound
    }

    private func word(_ place: Int) -> UInt64 { (0..<8).reduce(0) { $0 | UInt64(bytes[place + $1]) << (8 * UInt64($1)) } }
    private mutating func set(_ place: Int, _ value: UInt64) { for index in 0..<8 { bytes[place + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) } }

    private var start: UInt64 { (0..<cpus).map { word(Int(word(table + 16 * $0))) }.min()! }

    /// Leaves out the sub-buffers that begin later than so many ns after the start.
    mutating func cut(behind span: UInt64) {
        let end = start + span
        for cpu in 0..<cpus {
            let (offset, size) = (Int(word(table + 16 * cpu)), Int(word(table + 16 * cpu + 8)))
            set(table + 16 * cpu + 8, UInt64(stride(from: 0, to: size, by: page).first { word(offset + $0) >= end } ?? size))
        }
        // Behind the last CPU's data there is nothing.
        bytes = bytes.prefix((0..<cpus).map { Int(word(table + 16 * $0) + word(table + 16 * $0 + 8)) }.max()!)
    }

    /// Puts a sub-buffer with lines of trace_marker in front of CPU 0's.
    mutating func prepend(lines: [String]) {
        func le<T: FixedWidthInteger>(_ value: T) -> Data { withUnsafeBytes(of: value.littleEndian) { Data($0) } }
        var records = Data()
        for line in lines {
            // common_type 5 (ftrace:print), flags, preempt_count, pid; ip; buf.
            var record = le(UInt16(5)) + le(UInt16(0)) + le(Int32(1)) + le(UInt64(0)) + Data("\(line)\n\0".utf8)
            record += Data(count: -record.count & 3)
            records += le(UInt32(0)) + le(UInt32(record.count + 4)) + record
        }
        let (offset, size) = (Int(word(table)), Int(word(table + 8)))
        bytes += Data(count: -bytes.count & (page - 1))
        let place = bytes.count
        bytes += le(word(offset) - 1000) + le(UInt64(records.count)) + records + Data(count: page - 16 - records.count)
        bytes += bytes[offset..<offset + size]
        set(table, UInt64(place))
        set(table + 8, UInt64(page + size))
    }
}

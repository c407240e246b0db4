import Foundation
import Glibc
import TestSupport

/// The tracefs of the machine that the tests run on.
enum Tracefs {
    static let path = "/sys/kernel/tracing"

    /// A recording can be made here.
    static let isUsable = geteuid() == 0 && access(path + "/instances", W_OK) == 0
        && ["sched/sched_switch", "tlb/tlb_flush"].allSatisfy { access("\(path)/events/\($0)/format", R_OK) == 0 }

    static let reason = "needs root, tracefs, and an x86 kernel with sched_switch and tlb_flush"

    /// The instance of a recorder, as long as it has one.
    static func instance(of pid: Int32) -> String? {
        ((try? FileManager.default.contentsOfDirectory(atPath: path + "/instances")) ?? []).first { $0.hasPrefix("lazytlb-\(pid)-") }
            .map { "\(path)/instances/\($0)" }
    }

    /// What is enabled outside of any instance.
    static var enabledEvents: String { (try? String(contentsOfFile: path + "/set_event", encoding: .utf8)) ?? "" }
}

/// A folder of its own for a test, gone afterwards.
func withFolder<R>(_ body: (String) throws -> R) throws -> R {
    let folder = NSTemporaryDirectory() + "lazytlb-recording-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try body(folder)
}

func files(in folder: String) throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }

/// A recorder at work.
final class RunningRecorder {
    let process = Process()
    private let log = NSTemporaryDirectory() + "lazytlb-recorder-\(UUID().uuidString).log"
    var pid: Int32 { process.processIdentifier }

    /// - Parameters:
    ///   - launcher: a program that becomes what its last arguments name; none to run the recorder itself.
    ///   - folder: in which it runs; nil for that of the tests.
    init(_ arguments: [String], by launcher: [String] = [], in folder: String? = nil) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = launcher + [Program.lazytlb, "record"] + arguments
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        process.standardInput = FileHandle.nullDevice
        _ = FileManager.default.createFile(atPath: log, contents: nil)
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
        process.standardOutput = FileHandle.nullDevice
        // Threads of a pool may have signals blocked, which would be so in the recorder.
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try process.run()
    }

    deinit {
        if process.isRunning { kill(pid, SIGKILL) }
        try? FileManager.default.removeItem(atPath: log)
    }

    var messages: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    /// Waits until its instance records. False if that does not come.
    func isRecording() -> Bool {
        eventually {
            guard let instance = Tracefs.instance(of: pid) else { return false }
            func text(_ file: String) -> String { (try? String(contentsOfFile: "\(instance)/\(file)", encoding: .utf8)) ?? "" }
            // A new instance is on, until the recorder turns it off, enables events, and turns it on again.
            return text("set_event").contains("tlb_flush") && text("tracing_on") == "1\n"
        }
    }

    func end(_ signal: Int32) -> Int32 {
        kill(pid, signal)
        process.waitUntilExit()
        return process.terminationStatus
    }
}

/// Whether something becomes true within some seconds.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<400 {
        if try condition() { return true }
        usleep(25_000)
    }
    return false
}

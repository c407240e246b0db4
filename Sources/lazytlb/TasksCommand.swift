import ArgumentParser
import Glibc
import Recording

struct TasksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tasks", _superCommandName: programName,
        abstract: "Print the tasks that exist now, as lines for trace_marker.",
        discussion: """
            For recordings that other programs make: while one is under way, as root, lazytlb tasks > /sys/kernel/tracing/trace_marker (of the instance, if it \
            has one) puts the snapshot into the trace that lazytlb record takes by itself. docs/recording.md has the form of the lines.
            """)

    func run() throws {
        try Failures.handle {
            if let hindrance = TaskSnapshot.hindrance() { throw Failures.fail(hindrance) }
            // Each line in one write(2): that is one event.
            try TaskSnapshot.write(print)
        }
    }

    private func print(_ line: String) throws {
        let bytes = Array("\(line)\n".utf8)
        let count = write(STDOUT_FILENO, bytes, bytes.count)
        if count < 0, errno == EPIPE { throw ExitCode(0) }
        guard count == bytes.count else { throw Failures.fail("standard output: cannot write: \(String(cString: strerror(count < 0 ? errno : EIO)))") }
    }
}

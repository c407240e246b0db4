import Foundation
import Glibc
import TestSupport
import Testing

/// Where output goes wrong: disks that are full, readers that go away, descriptors that are closed, signals.
struct OutputTests {
    private static let trace = Recordings.fixture("v4.12-threads-2cpu-truth-c3idle.dat")

    /// Runs `$0 …` in a shell: redirections are what is tested.
    private func shell(_ script: String, _ arguments: String...) throws -> Program.Result {
        try Program.run("/bin/sh", with: ["-c", script, Program.lazytlb] + arguments)
    }

    static let commands = ["report", "report --format json", "timeline", "timeline --format csv", "events", "events --format json", "info", "info --format json"]

    @Test(arguments: commands) func `a full disk is an error`(command: String) throws {
        let outcome = try shell("\"$0\" \(command) \"$1\" >/dev/full", Self.trace)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("standard output: cannot write: No space left on device"))
    }

    @Test(arguments: ["report", "timeline", "baseline", "check --conform"]) func `an error of writing names the file`(command: String) throws {
        let outcome = try shell("\"$0\" \(command) \"$1\" -o /dev/full", Self.trace)
        #expect(outcome.status == 2)
        #expect(outcome.errors == "lazytlb: /dev/full: cannot write: No space left on device\n")
    }

    @Test(arguments: commands) func `a closed standard output is an error`(command: String) throws {
        let outcome = try shell("\"$0\" \(command) \"$1\" >&-", Self.trace)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("Bad file descriptor"))
    }

    @Test(arguments: commands) func `a reader that goes away is no error`(command: String) throws {
        let outcome = try shell("{ \"$0\" \(command) \"$1\"; echo \"status $?\" >&2; } | head -c 1 >/dev/null", Self.trace)
        #expect(outcome.errors == "status 0\n")
    }

    @Test func `with its standard descriptors closed the program writes into no file that it has opened`() throws {
        try withTemporaryPath { output in
            let outcome = try shell("\"$0\" timeline \"$1\" --keep-going -o \"$2\" <&- >&- 2>&-; echo $?", Self.trace, output)
            #expect(outcome.text == "0\n")
            #expect(try String(contentsOfFile: output, encoding: .utf8) == Program.lazytlb("timeline", Self.trace).text)
        }
    }

    @Test(arguments: ["report", "timeline"]) func `a trace is not overwritten by what is made of it`(command: String) throws {
        try withTemporaryFile(Data(contentsOf: URL(fileURLWithPath: Self.trace))) { copy in
            let link = copy + ".link"
            symlink(copy, link)
            defer { unlink(link) }
            for output in [copy, link] {
                let outcome = try Program.lazytlb(command, copy, "-o", output)
                #expect(outcome.status == 2)
                #expect(outcome.errors.contains("cannot write to a file that is being read"))
            }
            #expect(try Data(contentsOf: URL(fileURLWithPath: copy)) == Data(contentsOf: URL(fileURLWithPath: Self.trace)))
        }
    }

    /// Sends the program a signal in the middle of its output, which waits in a pipe until then. `disposition` is the signal's before the program starts.
    private func interrupted(by name: String, disposition: String) throws -> Program.Result {
        let script = """
            import signal, subprocess, sys
            number = signal.SIG\(name)
            # The threads of tests have signals blocked, and what they start has them so, too.
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            signal.signal(number, signal.\(disposition))
            child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            child.stdout.read(1)
            child.send_signal(number)
            lines = child.stdout.read().count(b"\\n")
            errors = child.stderr.read().decode().strip()
            status = child.wait()
            whole = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE).stdout.count(b"\\n")
            print("ended by the signal" if status == -number else status, "all" if lines == whole else "part", errors)
            """
        return try Program.run("/usr/bin/env", "python3", "-c", script, Program.lazytlb, "events", Self.trace)
    }

    @Test(arguments: ["INT", "TERM", "HUP"]) func `a signal ends the program as any other, and what came out is called incomplete`(signal: String) throws {
        let outcome = try interrupted(by: signal, disposition: "SIG_DFL")
        #expect(outcome.text == "ended by the signal part lazytlb: interrupted; the output is not complete\n", "\(outcome.errors)")
    }

    @Test func `a signal that was ignored stays ignored`() throws {
        let outcome = try interrupted(by: "HUP", disposition: "SIG_IGN")
        #expect(outcome.text == "0 all \n", "\(outcome.errors)")
    }
}

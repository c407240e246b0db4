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

    @Test(arguments: ["report", "timeline"]) func `a file that may not grow further is an error`(command: String) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("lazytlb-\(UUID().uuidString)").path
        // In units of 512 bytes.
        let outcome = try shell("ulimit -f 1; \"$0\" \(command) \"$1\" -o \"$2\"", Self.trace, path)
        #expect(outcome.status == 2)
        #expect(outcome.errors == "lazytlb: \(path): cannot write: File too large\n")
        #expect(!FileManager.default.fileExists(atPath: path))
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

    static let texts = ["help", "help report", "--help", "report --help", "record -h", "--version"]

    /// It has gone before anything is written: what is written fits into a pipe.
    @Test(arguments: texts) func `nor is one that goes away from help`(command: String) throws {
        // What runs the tests may have SIGPIPE ignored, and what it starts has it so, too.
        let outcome = try shell("{ sleep 0.3; env --default-signal=PIPE \"$0\" \(command); echo \"status $?\" >&2; } | true")
        #expect(outcome.errors == "status 0\n")
        #expect(try shell("\"$0\" \(command)").text.hasSuffix("\n"))
    }

    @Test(arguments: texts) func `help that cannot be written is an error`(command: String) throws {
        for (target, cause) in [("/dev/full", "No space left on device"), ("&-", "Bad file descriptor")] {
            let outcome = try shell("\"$0\" \(command) >\(target)")
            #expect(outcome.status == 2)
            #expect(outcome.errors == "lazytlb: standard output: cannot write: \(cause)\n")
        }
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
                #expect(outcome.errors == "lazytlb: \(output): cannot write to a file that is being read\n")
            }
            let isUntouched = FileManager.default.contentsEqual(atPath: copy, andPath: Self.trace)
            #expect(isUntouched)
        }
    }

    @Test(arguments: ["baseline", "check --conform", "check --conform --write junit=/dev/null", "diff \"$2\""])
    func `what is made of several traces overwrites none of them`(command: String) throws {
        try withTemporaryFile(Data(contentsOf: URL(fileURLWithPath: Self.trace))) { copy in
            let outcome = try shell("\"$0\" \(command) \"$1\" -o \"$1\"", copy, Self.trace)
            #expect(outcome.status == 2)
            #expect(outcome.errors == "lazytlb: \(copy): cannot write to a file that is being read\n")
            let isUntouched = FileManager.default.contentsEqual(atPath: copy, andPath: Self.trace)
            #expect(isUntouched)
        }
    }

    @Test(arguments: ["-o", "--write"]) func `a check overwrites neither its trace, its baseline nor its budget`(option: String) throws {
        let budget = "schema_version: 1\nmetrics: {recorded.ipi_sends: {max: 1e6}}\n"
        try withTemporaryFile(Data(contentsOf: URL(fileURLWithPath: Self.trace))) { trace in
            try withTemporaryFile(Program.lazytlb("baseline", trace).output) { baseline in
                try withTemporaryFile(Data(budget.utf8)) { budget in
                    for input in [trace, baseline, budget] {
                        let before = try Data(contentsOf: URL(fileURLWithPath: input))
                        let target = option == "-o" ? input : "json=\(input)"
                        let outcome = try Program.lazytlb("check", trace, "--baseline", baseline, "--budget", budget, option, target)
                        #expect(outcome.status == 2)
                        #expect(outcome.errors == "lazytlb: \(input): cannot write to a file that is being read\n")
                        let isUntouched = try Data(contentsOf: URL(fileURLWithPath: input)) == before
                        #expect(isUntouched)
                    }
                }
            }
        }
    }

    @Test(arguments: ["report", "events", "info", "diff"]) func `standard input is read once`(command: String) throws {
        let outcome = try shell("cat \"$1\" | \"$0\" \(command) - -", Self.trace)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("standard input (-) can be read once only"))
    }

    @Test(arguments: ["report", "timeline", "baseline", "check --conform"]) func `the file behind standard input is not overwritten`(command: String) throws {
        try withTemporaryFile(Data(contentsOf: URL(fileURLWithPath: Self.trace))) { copy in
            let outcome = try shell("\"$0\" \(command) - -o \"$1\" <\"$1\"", copy)
            #expect(outcome.status == 2)
            #expect(outcome.errors == "lazytlb: \(copy): cannot write to a file that is being read\n")
            let isUntouched = FileManager.default.contentsEqual(atPath: copy, andPath: Self.trace)
            #expect(isUntouched)
        }
    }

    @Test(arguments: ["report", "timeline", "timeline -o -", "baseline", "check --conform", "diff \"$2\"", "events", "info --format json"], [">>", "1<>"])
    func `standard output is not a file that is read`(command: String, redirection: String) throws {
        try withTemporaryFile(Data(contentsOf: URL(fileURLWithPath: Self.trace))) { copy in
            let outcome = try shell("\"$0\" \(command) \"$1\" \(redirection)\"$1\"", copy, Self.trace)
            #expect(outcome.status == 2)
            #expect(outcome.errors == "lazytlb: standard output: cannot write to a file that is being read\n")
            let isUntouched = FileManager.default.contentsEqual(atPath: copy, andPath: Self.trace)
            #expect(isUntouched)
        }
    }

    @Test func `nor a baseline`() throws {
        try withTemporaryFile(Program.lazytlb("baseline", Self.trace).output) { baseline in
            let before = try String(contentsOfFile: baseline, encoding: .utf8)
            let outcome = try shell("\"$0\" check \"$1\" --baseline \"$2\" >>\"$2\"", Self.trace, baseline)
            #expect(outcome.status == 2)
            #expect(outcome.errors == "lazytlb: standard output: cannot write to a file that is being read\n")
            #expect(try String(contentsOfFile: baseline, encoding: .utf8) == before)
        }
    }

    @Test func `nothing is written into a folder that is read`() throws {
        try withTemporaryPath { folder in
            let pages = Recordings.package.appendingPathComponent("fixtures/forms/pages").path
            try FileManager.default.copyItem(atPath: pages, toPath: folder)
            try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: folder)
            for output in ["per_cpu/cpu0/trace_pipe_raw", "link/per_cpu/cpu1/stats", "version", "./report.txt"] {
                for command in ["report", "timeline"] {
                    let outcome = try Program.lazytlb(command, "--kernel", "4.12", folder, "-o", "\(folder)/\(output)")
                    #expect(outcome.status == 2)
                    #expect(outcome.errors == "lazytlb: \(folder)/\(output): cannot write into a folder that is being read\n")
                }
            }
            let redirected = try shell("\"$0\" report --kernel 4.12 \"$1\" >>\"$1/per_cpu/cpu0/stats\"", folder)
            #expect(redirected.errors == "lazytlb: standard output: cannot write into a folder that is being read\n")
            try FileManager.default.removeItem(atPath: folder + "/link")
            #expect(FileManager.default.contentsEqual(atPath: folder, andPath: pages))
            // One whose name begins like the folder's is another.
            defer { unlink(folder + ".txt") }
            #expect(try Program.lazytlb("report", "--kernel", "4.12", folder, "-o", folder + ".txt").status == 0)
        }
    }

    @Test func `two outputs of a check do not go to one file`() throws {
        try withTemporaryPath { file in
            let folder = (file as NSString).deletingLastPathComponent
            let same = "\(folder)/./\((file as NSString).lastPathComponent)"
            for exists in [false, true] {
                if exists { try Data("old".utf8).write(to: URL(fileURLWithPath: file)) }
                for arguments in [["-o", file, "--write", "junit=\(same)"], ["--write", "json=\(same)", "--write", "junit=\(file)"]] {
                    let outcome = try Program.run(Program.lazytlb, with: ["check", Self.trace, "--conform"] + arguments)
                    #expect(outcome.status == 2)
                    #expect(outcome.errors.hasSuffix(": cannot write two outputs to the same file\n"), "\(outcome.errors)")
                    #expect((try? String(contentsOfFile: file, encoding: .utf8)) == (exists ? "old" : nil))
                }
            }
        }
    }

    /// The text report goes there by itself; two formats in one stream are none.
    @Test(arguments: ["--write json=-", "--write json=/dev/stdout", "--write json=- --write junit=- -o /dev/null", "-o - --write json=-", "-o /dev/stdout --write json=-"])
    func `nor to standard output`(options: String) throws {
        let outcome = try shell("\"$0\" check \"$1\" --conform \(options) | cat", Self.trace)
        #expect(outcome.text.isEmpty)
        #expect(outcome.errors.hasSuffix(": cannot write two outputs to the same file\n"), "\(outcome.errors)")
        // A file that the shell has opened would be replaced by the one, and the other be lost.
        try withTemporaryPath { file in
            let redirected = try shell("\"$0\" check \"$1\" --conform --write json=\"$2\" >\"$2\"", Self.trace, file)
            #expect(redirected.status == 2)
        }
    }

    @Test func `one format may go to standard output`() throws {
        let outcome = try shell("\"$0\" check \"$1\" --conform -o /dev/null --write json=- | head -n 1", Self.trace)
        #expect(outcome.text == "{\n", "\(outcome.errors)")
    }

    @Test(arguments: ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]) func `a pipe has names, too`(name: String) throws {
        let outcome = try shell("\"$0\" timeline \"$1\" -o \(name) | cat", Self.trace)
        #expect(outcome.errors.isEmpty)
        #expect(try outcome.text == Program.lazytlb("timeline", Self.trace).text)
    }

    @Test(arguments: ["", ">/dev/null"]) func `several outputs may go to what is no file`(redirection: String) throws {
        let outcome = try shell("\"$0\" check \"$1\" --conform -o /dev/null --write junit=/dev/null --write json=/dev/null \(redirection)", Self.trace)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let standard = try shell("\"$0\" check \"$1\" --conform --write junit=/dev/null >/dev/null", Self.trace)
        #expect(standard.status == 0, "\(standard.errors)")
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

    @Test(arguments: ["INT", "TERM", "HUP", "QUIT"]) func `a signal ends the program as any other, and what came out is called incomplete`(signal: String) throws {
        let outcome = try interrupted(by: signal, disposition: "SIG_DFL")
        #expect(outcome.text == "ended by the signal part lazytlb: interrupted; the output is not complete\n", "\(outcome.errors)")
    }

    @Test func `a signal that was ignored stays ignored`() throws {
        let outcome = try interrupted(by: "HUP", disposition: "SIG_IGN")
        #expect(outcome.text == "0 all \n", "\(outcome.errors)")
    }
}

import Foundation
import TestSupport
import Testing

/// Arguments are bytes, and the program takes texts.
@Suite struct ArgumentTests {
    @Test(arguments: ["info", "report -o", "check --conform --write", "record -o /nonexistent/x -- echo", "--help", ""])
    func bytesThatAreNoUTF8AreRefusedAndShown(_ arguments: String) throws {
        let outcome = try Program.run("/bin/sh", with: ["-c", "\"$0\" \(arguments) \"$(printf 'caf\\351\\033.dat')\"", Program.lazytlb])
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        let number = arguments.split(separator: " ").count + 1
        #expect(outcome.errors == "lazytlb: argument \(number) is not valid UTF-8: caf\\xe9\\x1b.dat; a symbolic link can give a file another name\n")
    }

    @Test func otherLettersThanEnglishOnesAreFine() throws {
        let outcome = try Program.lazytlb("info", "/nonexistent/café")
        #expect(outcome.errors.hasPrefix("lazytlb: /nonexistent/café: cannot open"))
    }

    /// The parser would take the next argument for it: `--output=$REPORT`, with nothing in REPORT, would write over a trace.
    @Test(arguments: ["report --output=", "report -o=", "timeline --cpu=", "report --kernel=", "check --conform --confidence=", "record --tracefs="])
    func anOptionsValueIsNotTheNextArgument(_ command: String) throws {
        let words = command.split(separator: " ").map(String.init)
        try withTemporaryFile(Data("old".utf8)) { file in
            let outcome = try Program.run(Program.lazytlb, with: words + [file, Self.trace])
            #expect(outcome.status == 2)
            #expect(outcome.output.isEmpty)
            #expect(outcome.errors == "lazytlb: \(words.last ?? "") has no value\n")
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "old")
        }
    }

    @Test(arguments: ["info -- --output=", "record --tracefs /nonexistent -- echo --output="]) func whatIsNoOptionMayEndLikeOneWithoutAValue(_ command: String) throws {
        let outcome = try Program.run(Program.lazytlb, with: command.split(separator: " ").map(String.init))
        #expect(outcome.status == 2)
        #expect(!outcome.errors.contains("has no value"), "\(outcome.errors)")
    }

    /// A minus sign begins a value here, and no option: what is wrong is told by the number.
    @Test(arguments: [
        ("report --jobs -3", "--jobs is a number from 1 to 256"), ("verify --cpus -1", "--cpus: expected 2 to 4"), ("report --divergences -1", "The value '-1' is invalid for '--divergences"),
        ("timeline --from -1", "The value '-1' is invalid for '--from <time>': expected seconds of the trace's clock"), ("events --cpu -1", "The value '-1' is invalid for '--cpu <list>'"),
        ("timeline --to 1.+5", "The value '1.+5' is invalid for '--to <time>': expected seconds of the trace's clock"), ("record --seconds -1", "--seconds is "),
        ("record --buffer-size -1", "'-1' is invalid for '--buffer-size"), ("record --file-version -6", "--file-version is "),
    ])
    func aNegativeNumberIsNoMissingValue(_ command: String, _ cause: String) throws {
        let words = command.split(separator: " ").map(String.init)
        let outcome = try Program.run(Program.lazytlb, with: words + (words[0] == "verify" ? [] : [Self.trace]))
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.contains(cause), "\(outcome.errors)")
    }

    /// Each is parsed by itself first, as if it were the whole program.
    @Test(arguments: ["record", "tasks", "report", "timeline", "check", "baseline", "diff", "events", "info"]) func aCommandIsPartOfTheProgram(_ name: String) throws {
        let help = try Program.lazytlb(name, "--help")
        #expect(help.status == 0)
        #expect(help.text.contains("\nUSAGE: lazytlb \(name)"))
        #expect(help.output == (try Program.lazytlb("help", name)).output)
        let version = try Program.lazytlb(name, "--version")
        #expect(version.output == (try Program.lazytlb("--version")).output)
        let script = try Program.lazytlb(name, "--generate-completion-script", "bash")
        #expect(script.text.hasPrefix("#!/bin/bash\n\n__lazytlb_"))
        let refused = try Program.lazytlb(name, "--no-such-option")
        #expect(refused.status == 2)
        #expect(refused.output.isEmpty)
        #expect(refused.errors.contains("\nUsage: lazytlb \(name)"))
    }

    @Test func thereIsNoHelpForACommandThatThereIsNot() throws {
        let outcome = try Program.lazytlb("help", "reprot")
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors == "lazytlb: help: no such command: reprot\n")
        #expect(try Program.lazytlb("help", "help").status == 0)
        #expect(try Program.lazytlb("help").status == 0)
    }

    private static let trace = Recordings.fixture("v4.12-threads-2cpu-truth-c3idle.dat")

    @Test(arguments: ["report -o", "timeline -o", "baseline -o", "check --conform -o"]) func anOutputHasAName(_ command: String) throws {
        let outcome = try Program.run(Program.lazytlb, with: command.split(separator: " ").map(String.init) + ["", Self.trace])
        #expect(outcome.status == 2)
        #expect(outcome.errors == "lazytlb: '': cannot write to a file without a name\n")
    }

    @Test(arguments: ["report", "info", "check --conform", "baseline"]) func anInputHasAName(_ command: String) throws {
        let outcome = try Program.run(Program.lazytlb, with: command.split(separator: " ").map(String.init) + [""])
        #expect(outcome.status == 2)
        #expect(outcome.errors == "lazytlb: '': no file has an empty name\n")
    }

    @Test(arguments: [["--tolerance", "10"], ["--confidence", "90"], ["--force-compare"]]) func whatIsForABaselineIsNotTakenWithoutOne(_ options: [String]) throws {
        let outcome = try Program.run(Program.lazytlb, with: ["check", Self.trace, "--conform"] + options)
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("lazytlb: \(options[0]) is for --baseline\n"))
    }
}

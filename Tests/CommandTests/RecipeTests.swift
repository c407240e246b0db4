import Foundation
import TestSupport
import Testing

/// The recipes of docs/ci.md, as they stand there. What makes recordings is replaced by fixtures; a virtual machine by a program that takes its arguments apart.
@Suite struct RecipeTests {
    /// The block behind `<!-- recipe: NAME -->`.
    private func recipe(_ name: String) throws -> String {
        let text = try String(contentsOf: packageFolder.appendingPathComponent("docs/ci.md"), encoding: .utf8)
        let start = try #require(text.range(of: "<!-- recipe: \(name) -->\n```"))
        let body = text[start.upperBound...]
        let first = try #require(body.firstIndex(of: "\n"))
        let end = try #require(body.range(of: "\n```\n"))
        return body[body.index(after: first)..<end.lowerBound] + "\n"
    }

    /// A folder with `lazytlb` in its `bin`, and what the recipes call beside it.
    private func inFolder<R>(_ body: (URL) throws -> R) throws -> R {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lazytlb-recipe-\(UUID().uuidString)")
        let bin = folder.appendingPathComponent("bin")
        try FileManager.default.createDirectory(at: bin, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createSymbolicLink(atPath: bin.appendingPathComponent("lazytlb").path, withDestinationPath: Program.lazytlb)
        let made = try shell("lazytlb report --format json '\(Recordings.fixture("v4.12-threads-2cpu-truth-c3idle.dat"))' -o recorded.json", in: folder)
        #expect(made.status == 0, "\(made.errors)")
        try program(folder.appendingPathComponent("record"), recorder("\(folder.path)/recorded.json", "$1"))
        return try body(folder)
    }

    /// What makes the next recording: a report with a number of events that no other one has, since a recording that is given twice is refused.
    private func recorder(_ report: String, _ output: String) -> String {
        "echo >>'\(report).count'\nsed \"s/\\\"events\\\" : [0-9]*/\\\"events\\\" : $((1000000 + $(wc -l <'\(report).count')))/\" '\(report)' >\"\(output)\""
    }

    private func program(_ place: URL, _ body: String) throws {
        try "#!/bin/sh\nset -eu\n\(body)\n".write(to: place, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: place.path)
    }

    private func shell(_ command: String, in folder: URL) throws -> Program.Result {
        try Program.run("/bin/sh", with: ["-c", "PATH='\(folder.path)/bin':$PATH; export PATH; \(command)"], in: folder)
    }

    private func exists(_ name: String, in folder: URL) -> Bool { FileManager.default.fileExists(atPath: folder.appendingPathComponent(name).path) }

    @Test func theShellScriptMakesABaselineAndChecksByIt() throws {
        try inFolder { folder in
            try recipe("check.sh").write(to: folder.appendingPathComponent("check.sh"), atomically: true, encoding: .utf8)
            let first = try shell("sh check.sh base.json", in: folder)
            #expect(first.status == 0, "\(first.errors)")
            #expect(first.text == "wrote base.json: review it and commit it\n")
            let second = try shell("sh check.sh base.json", in: folder)
            #expect(second.status == 0, "\(second.errors)")
            #expect(second.text.hasSuffix("TLB behaviour: fine\n"))
            #expect(exists("tlb-check.xml", in: folder))
            #expect(exists("tlb-check.md", in: folder))
            // Recordings of another workload can be given, and are refused.
            let foreign = try shell("sh check.sh base.json '\(Recordings.fixture("v4.12-threads-4cpu-plain.dat"))'", in: folder)
            #expect(foreign.status == 3)
            #expect(foreign.text.hasSuffix("TLB behaviour: cannot be told from these recordings\n"))
        }
    }

    /// The `run:` steps, in order, each as GitHub runs it: `bash -e` with the step's text.
    private func steps(_ folder: URL) throws -> [String] {
        let file = folder.appendingPathComponent("workflow.yml")
        try recipe("workflow.yml").write(to: file, atomically: true, encoding: .utf8)
        let code = """
            import json, sys, yaml
            flow = yaml.safe_load(open(sys.argv[1]))
            assert set(flow) == {"name", True, "jobs"}, flow.keys()
            steps = [step for job in flow["jobs"].values() for step in job["steps"]]
            assert all(("run" in step) != ("uses" in step) for step in steps)
            print(json.dumps([step["run"] for step in steps if "run" in step]))
            """
        let outcome = try Program.run("/usr/bin/python3", "-c", code, file.path)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try JSONDecoder().decode([String].self, from: outcome.output)
    }

    private func runWorkflow(_ folder: URL, baselineOf trace: String, _ options: String = "") throws -> Program.Result {
        let setup = try shell("mkdir -p tests && lazytlb baseline '\(trace)' \(options) -o tests/tlb-baseline.json", in: folder)
        #expect(setup.status == 0, "\(setup.errors)")
        var last = setup
        for step in try steps(folder) {
            try step.write(to: folder.appendingPathComponent("step.sh"), atomically: true, encoding: .utf8)
            last = try shell("GITHUB_STEP_SUMMARY='\(folder.path)/summary.md'; export GITHUB_STEP_SUMMARY; bash -e step.sh", in: folder)
            if last.status != 0 { return last }
        }
        return last
    }

    @Test func theWorkflowPassesAndShowsItsSummary() throws {
        try inFolder { folder in
            let outcome = try runWorkflow(folder, baselineOf: Recordings.fixture("v4.12-threads-2cpu-truth-c3idle.dat"))
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.text.hasPrefix("::notice title=lazytlb check::Fine"))
            #expect(try String(contentsOf: folder.appendingPathComponent("summary.md"), encoding: .utf8).hasPrefix("## lazytlb check: passed"))
            #expect(exists("tlb-check.xml", in: folder))
        }
    }

    @Test func theWorkflowWarnsOfWhatCannotBeTold() throws {
        try inFolder { folder in
            let outcome = try runWorkflow(folder, baselineOf: Recordings.fixture("v4.12-threads-4cpu-plain.dat"))
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.text.contains("::warning title=lazytlb comparable%3A recordings::not comparable"))
        }
    }

    @Test func theWorkflowFailsForARegression() throws {
        try inFolder { folder in
            let made = try shell("lazytlb report --format json --evidence no-probes '\(Recordings.fixture("v4.12-reclaim-4cpu-truth.dat"))' -o old.json", in: folder)
            #expect(made.status == 0)
            try program(folder.appendingPathComponent("record"), recorder("old.json", "$1"))
            let outcome = try runWorkflow(folder, baselineOf: Recordings.fixture("v4.13-reclaim-4cpu-plain.dat"))
            #expect(outcome.status == 1)
            #expect(outcome.text.contains("::error title=lazytlb baseline%3A kernel.stale_active_mm_ns::"))
        }
    }

    /// What a run before has left is not taken for the result of one that could not be made.
    @Test func afterBadInputThereIsNoResult() throws {
        try inFolder { folder in
            try recipe("check.sh").write(to: folder.appendingPathComponent("check.sh"), atomically: true, encoding: .utf8)
            #expect(try shell("sh check.sh base.json && sh check.sh base.json", in: folder).status == 0)
            #expect(exists("tlb-check.xml", in: folder))
            let bad = try shell("echo nothing > bad.dat; sh check.sh base.json bad.dat", in: folder)
            #expect(bad.status == 2)
            #expect(bad.text == "TLB behaviour: not checked\n")
            #expect(!exists("tlb-check.xml", in: folder))
            #expect(!exists("tlb-check.md", in: folder))
        }
    }

    @Test func theWorkflowFailsForBadInput() throws {
        try inFolder { folder in
            let trace = Recordings.fixture("v4.12-threads-2cpu-truth-c3idle.dat")
            #expect(try runWorkflow(folder, baselineOf: trace).status == 0)
            try program(folder.appendingPathComponent("record"), "echo nothing > \"$1\"")
            let outcome = try runWorkflow(folder, baselineOf: trace)
            #expect(outcome.status == 2)
            #expect(outcome.errors.contains("run-1.dat: at byte 0: not a trace"))
            #expect(!exists("tlb-check.xml", in: folder))
            #expect(!exists("tlb-check.md", in: folder))
        }
    }

    /// All but the boot: vng gets the arguments that it takes, and its command runs with a trace-cmd that writes a fixture.
    @Test func theVirtualMachinesRecordingsAreCheckedAsKTAP() throws {
        try inFolder { folder in
            try recipe("vm.sh").write(to: folder.appendingPathComponent("vm.sh"), atomically: true, encoding: .utf8)
            let bin = folder.appendingPathComponent("bin")
            try program(
                bin.appendingPathComponent("vng"),
                """
                [ "$1" = --run ] && [ "$2" = ./bzImage ] && shift 2
                while [ "$1" != -- ]; do
                    case $1 in --cpus|--memory|--rwdir) shift 2 ;; --pwd) shift ;; *) echo "vng: $1?" >&2; exit 9 ;; esac
                done
                shift
                sh -c "$1"
                """)
            try program(
                bin.appendingPathComponent("trace-cmd"),
                "while [ \"$1\" != -o ]; do shift; done\n[ \"$3\" = ./workload ]\n" + recorder("\(folder.path)/recorded.json", "$2"))
            #expect(try shell("lazytlb baseline '\(Recordings.fixture("v4.12-threads-2cpu-truth-c3idle.dat"))' -o b.json", in: folder).status == 0)
            let outcome = try shell("sh vm.sh ./bzImage b.json", in: folder)
            #expect(outcome.status == 0, "\(outcome.errors)\(outcome.text.prefix(500))")
            #expect(outcome.text.hasPrefix("KTAP version 1\n1..3\n"))
            #expect(outcome.text.contains("\nok 3 lazytlb.conform\n"))
        }
    }

    /// All but the boot, which tools/test-guest does.
    @Test func theGuestsRecordingsMakeABaselineAndAreCheckedByIt() throws {
        try inFolder { folder in
            try recipe("guest.sh").write(to: folder.appendingPathComponent("guest.sh"), atomically: true, encoding: .utf8)
            try FileManager.default.createDirectory(at: folder.appendingPathComponent("tools"), withIntermediateDirectories: true)
            try program(
                folder.appendingPathComponent("tools/record-guest"),
                """
                [ "$1 $3 $4 $5 $6 $7 $8" = "-o --workload threads --seconds 3 --kernel ./bzImage" ]
                mkdir -p "$2"
                \(recorder("\(folder.path)/recorded.json", "$2/trace.dat"))
                """)
            let first = try shell("LAZYTLB=. sh guest.sh base.json --kernel ./bzImage", in: folder)
            #expect(first.status == 0, "\(first.errors)")
            #expect(exists("base.json", in: folder))
            let second = try shell("LAZYTLB=. sh guest.sh base.json --kernel ./bzImage", in: folder)
            #expect(second.status == 0, "\(second.errors)")
            #expect(second.text.hasPrefix("KTAP version 1\n"))
        }
    }
}

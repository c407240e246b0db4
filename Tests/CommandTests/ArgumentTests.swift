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
}

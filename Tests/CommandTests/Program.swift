import Foundation
import TestSupport

/// The folder of the package.
let packageFolder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

typealias Outcome = Program.Result

/// Gives the path of the kernel's text in fixtures/forms to `body`, without lines that have `unwanted` in them, with another line at its end, and without its header's count of
/// lines, which no longer holds.
func withText(without unwanted: String? = nil, adding line: String = "", _ body: (String) throws -> Void) throws {
    let lines = try String(contentsOf: packageFolder.appendingPathComponent("fixtures/forms/trace.txt"), encoding: .utf8).split(separator: "\n")
    let text = lines.filter { line in !line.hasPrefix("# entries") && !(unwanted.map { line.contains($0) } ?? false) }.joined(separator: "\n")
    try withTemporaryFile(Data((text + "\n" + line).utf8), body)
}

/// Runs the built program in the package's folder.
func lazytlb(_ arguments: [String]) throws -> Outcome { try Program.run(Program.lazytlb, with: arguments, in: packageFolder) }

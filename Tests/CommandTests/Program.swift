import Foundation
import TestSupport

/// The folder of the package.
let packageFolder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

typealias Outcome = Program.Result

/// Runs the built program in the package's folder.
func lazytlb(_ arguments: [String]) throws -> Outcome { try Program.run(Program.lazytlb, with: arguments, in: packageFolder) }

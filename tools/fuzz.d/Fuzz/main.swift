/// The fuzz targets in one program, linked with libFuzzer (docs/robustness.md).
///
///     fuzz TARGET [libFuzzer's own arguments]
///     fuzz seeds FOLDER FIXTURE…       writes FOLDER/TARGET/… to begin with
import CLibFuzzer
import Glibc

let arguments = CommandLine.arguments
if arguments.count >= 4, arguments[1] == "seeds" {
    try writeSeeds(to: arguments[2], fixtures: Array(arguments.dropFirst(3)))
    exit(0)
}
guard arguments.count >= 2, let chosen = FuzzTarget(rawValue: arguments[1]) else {
    say("usage: fuzz \(FuzzTarget.allCases.map(\.rawValue).joined(separator: "|")) [arguments of libFuzzer]")
    exit(2)
}
FuzzTarget.chosen = chosen
signal(SIGPIPE, SIG_IGN)

// libFuzzer sees the program's name and what comes behind the target.
var words: [UnsafeMutablePointer<CChar>?] = ([arguments[0]] + arguments.dropFirst(2)).map { strdup($0) } + [nil]
var count = Int32(words.count - 1)
exit(
    words.withUnsafeMutableBufferPointer { list in
        var base = list.baseAddress
        return LLVMFuzzerRunDriver(&count, &base) { data, size in
            FuzzTarget.chosen.run(UnsafeRawBufferPointer(start: data, count: size))
            return 0
        }
    })

import Glibc

@testable import TraceData
@testable import TraceForms

/// A perf.data file, as a file or as what a pipe gave: what can be converted at all can be read to its end afterwards, with as many records.
func fuzzPerf(_ input: UnsafeRawBufferPointer) {
    for keepGoing in [false, true] {
        var options = TraceFile.Options(keepGoing: keepGoing)
        guard let (descriptor, origin) = try? PerfConversion(MappedFile(path: "fuzz", copying: input), options).run() else { continue }
        defer { close(descriptor) }
        options.origin = origin
        options.keepGoing = false
        // Formats may be no formats; then that is said here.
        guard let file = try? TraceFile(descriptor: descriptor, path: "fuzz", options: options) else { continue }
        for stream in file.streams() {
            var record = Record.none
            do { while try stream.next(&record) {} } catch {
                // A record may be shorter than its format says: the sample was.
                demand(error.cause.contains("bytes") || error.cause.contains("field"), "a converted file is damaged: \(error)")
            }
        }
    }
}

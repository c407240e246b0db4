import Report

@testable import TraceData

/// The bytes of a whole file: `info` of it, with and without --keep-going.
func fuzzContainer(_ input: UnsafeRawBufferPointer) {
    let strict = try? info(input, keepGoing: false)
    let lax = try? info(input, keepGoing: true)
    // What can be read at all can be read if the user keeps going, and gives the same.
    if let strict {
        demand(lax != nil, "--keep-going cannot read what can be read without it")
        demand(strict.records == lax?.records, "--keep-going reads other records of a file in order")
    }
}

private func info(_ input: UnsafeRawBufferPointer, keepGoing: Bool) throws(TraceError) -> TraceSummary {
    let file = try TraceFile(MappedFile(path: "fuzz", copying: input), TraceFile.Options(keepGoing: keepGoing))
    let summary = try TraceSummary(file)
    let info = TraceInfo(file, summary)
    _ = info.text()
    let writer = ByteWriter(descriptor: nowhere)
    info.json(to: writer)
    writer.flush()
    return summary
}

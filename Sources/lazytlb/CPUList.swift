import ArgumentParser
import Reconstruction
import Replay
import TraceData

/// CPU numbers as the kernel writes them: `0`, `0,2`, `0-3,8`.
struct CPUList {
    var cpus: Set<Int>

    init(_ argument: String) throws {
        cpus = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1], first >= 0, last >= first, last < 1 << 16 else {
                throw ValidationError("expected numbers of CPUs, as 0,2-3")
            }
            cpus.formUnion(first...last)
        }
    }

    /// All CPUs that are named, nil if no list is given.
    ///
    /// - Throws: `TraceError` if the trace has none of that number.
    static func union(_ lists: [CPUList], in file: TraceFile) throws(TraceError) -> Set<Int>? {
        guard !lists.isEmpty else { return nil }
        let cpus = lists.reduce(into: Set<Int>()) { $0.formUnion($1.cpus) }
        let count = Reconstruction<Replay>.cpuCount(file)
        let foreign = cpus.filter { $0 >= count }.sorted()
        guard let first = foreign.first else { return cpus }
        let more = foreign.count > 1 ? ", nor \(foreign.count - 1) more of those named" : ""
        throw TraceError(path: file.path, cause: "--cpu: the trace has no CPU \(first)\(more); it has \(count > 1 ? "CPUs 0 to \(count - 1)" : "CPU 0")")
    }
}

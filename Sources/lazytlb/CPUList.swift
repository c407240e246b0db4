import ArgumentParser

/// CPU numbers as the kernel writes them: `0`, `0,2`, `0-3,8`.
struct CPUList: ExpressibleByArgument {
    var cpus: Set<Int>

    init?(argument: String) {
        cpus = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard let first = ends.first.flatMap({ $0 }), first >= 0, first < 1 << 16 else { return nil }
            if ends.count == 1 {
                cpus.insert(first)
            } else {
                guard ends.count == 2, let last = ends[1], last >= first, last < 1 << 16 else { return nil }
                cpus.formUnion(first...last)
            }
        }
    }
}

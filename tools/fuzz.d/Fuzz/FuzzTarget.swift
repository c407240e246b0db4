import Glibc

enum FuzzTarget: String, CaseIterable {
    case container, subbuffers, formats, perf, text, report, checks

    /// The one that this process runs; set once, before libFuzzer starts.
    nonisolated(unsafe) static var chosen = FuzzTarget.container

    /// An input may take so many seconds of the processor's time. (libFuzzer's own limit is of the clock's, and hits any input where the machine is busy.)
    private static let seconds = 10.0

    private static var processorTime: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    func run(_ input: UnsafeRawBufferPointer) {
        let start = Self.processorTime
        defer { demand(Self.processorTime - start < Self.seconds, "the input takes \(Self.processorTime - start) s of the processor's time") }
        switch self {
        case .container: fuzzContainer(input)
        case .subbuffers: SubbufferTarget.run(input)
        case .formats: fuzzFormats(input)
        case .perf: fuzzPerf(input)
        case .text: fuzzText(input)
        case .report: ReportTarget.run(input)
        case .checks: ChecksTarget.run(input)
        }
    }
}

/// A fault that no sanitizer sees: what two ways of reading give differs.
func demand(_ condition: Bool, _ what: @autoclosure () -> String) {
    guard !condition else { return }
    say("fuzz: \(what())")
    abort()
}

func say(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
}

/// Descriptor of /dev/null.
let nowhere = open("/dev/null", O_WRONLY)

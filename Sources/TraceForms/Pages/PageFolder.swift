import Glibc
import TraceData
import TraceWriting

/// A folder with what was copied out of tracefs: the raw sub-buffers of each CPU (per_cpu/cpuN/trace_pipe_raw), and what tells how to read them
/// (events/header_page, events/SYSTEM/EVENT/format); docs/inputs.md has the commands. All the rest is optional: per_cpu/cpuN/stats, saved_cmdlines, trace_clock, and
/// /proc/version as `version`, which is not in tracefs.
struct PageFolder {
    private let path: String
    private let kernel: String?
    private var origin = TraceOrigin(.pages)

    /// What event formats may have, all together and each. The largest of a distribution kernel has 40 KiB.
    private static let formatsLimit = 64 << 20
    private static let formatLimit = 4 << 20

    init(_ path: String, kernel: String?) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        self.kernel = kernel
        origin.detail = "of tracefs"
    }

    /// One CPU's sub-buffers.
    private struct CPUFile {
        var cpu: Int
        var path: String
        var descriptor: Int32
        var size: Int
    }

    /// The trace.dat file, and what is to be told of the folder.
    mutating func convert(_ progress: ReadingProgress?) throws(TraceError) -> (descriptor: Int32, origin: TraceOrigin) {
        if try Folder.isKernels("\(path)/events/header_page") {
            throw TraceError(
                path: path,
                cause: "is tracefs itself, where reading per_cpu/cpu*/trace_pipe_raw takes the events away: docs/inputs.md has the commands that copy them. "
                    + "\(path)/trace can be read as it is")
        }
        guard let headerPage = try Folder.bytes("\(path)/events/header_page", limit: 1 << 16) else { throw notPages() }
        let shape = headerPage.withUnsafeBytes { text in HeaderPage.longSize(text).flatMap { long in HeaderPage.subbufferSize(text).map { (long, $0) } } }
        guard let (longSize, pageSize) = shape else {
            throw TraceError(path: "\(path)/events/header_page", offset: 0, cause: "does not tell the size of commit, 4 or 8 bytes, and of data")
        }
        let counts = try kernelCounts()
        let files = try cpuFiles()
        defer { for file in files { close(file.descriptor) } }
        guard files.contains(where: { $0.size > 0 }) else {
            throw TraceError(path: "\(path)/per_cpu", cause: files.isEmpty ? "no cpuN/trace_pipe_raw is in it" : "all cpuN/trace_pipe_raw are empty: there was nothing to read any more")
        }
        let geometry = SubbufferGeometry(bigEndian: try isBigEndian(files, longSize: longSize, pageSize: pageSize), longSize: longSize, size: pageSize)
        var container = TraceContainer(
            uname: try uname(), clock: try clock(), headerPage: headerPage, headerEvent: try Folder.bytes("\(path)/events/header_event", limit: 1 << 16) ?? [],
            formats: try formats(), pageSize: UInt32(pageSize))
        container.bigEndian = geometry.bigEndian
        container.longSize = UInt8(longSize)
        if let lines = try Folder.bytes("\(path)/saved_cmdlines", limit: Self.formatsLimit) {
            container.commandLines = lines
        } else {
            origin.leftOut.append("saved_cmdlines is not in the folder: tasks that no event names have no name.")
        }
        noteUncounted(files.map(\.cpu), of: Set(counts.map(\.cpu)))
        let count = max(files.last?.cpu ?? 0, counts.last?.cpu ?? 0) + 1
        // trace-cmd puts that line before the kernel's.
        for (cpu, _, text, _) in counts { container.statistics.append("CPU: \(cpu)\n" + String(decoding: text, as: UTF8.self)) }
        progress?.expect(conversion: files.reduce(0) { $0 &+ $1.size })
        defer { progress?.converted(files.reduce(0) { $0 &+ $1.size }) }
        let descriptor = try write(container, files, cpus: count, progress)
        for file in files { origin.sources[file.cpu] = file.path }
        for (cpu, folder, _, kernel) in counts { try compare(kernel, cpu, folder, files.first { $0.cpu == cpu }, geometry) }
        return (descriptor, origin)
    }

    /// The kernel's counts of each CPU that has them, and the folder that they are in; ascending.
    private func kernelCounts() throws(TraceError) -> [(cpu: Int, folder: String, text: [UInt8], kernel: KernelCount)] {
        var counts: [(cpu: Int, folder: String, text: [UInt8], kernel: KernelCount)] = []
        for name in Folder.names("\(path)/per_cpu") ?? [] where name.hasPrefix("cpu") {
            guard let cpu = UInt64(name.dropFirst(3)), cpu < UInt64(TraceFile.cpuLimit) else { continue }
            let folder = "\(path)/per_cpu/\(name)"
            guard let text = try Folder.bytes("\(folder)/stats", limit: 1 << 16) else { continue }
            guard let kernel = KernelCount(text) else { throw unexpected(text, in: "\(folder)/stats", "the kernel's counts, with entries and read events") }
            counts.append((Int(cpu), folder, text, kernel))
        }
        return counts.sorted { $0.cpu < $1.cpu }
    }

    /// Notes of which CPUs nothing tells whether all is there.
    private mutating func noteUncounted(_ cpus: [Int], of counted: Set<Int>) {
        let uncounted = cpus.filter { !counted.contains($0) }
        guard let first = uncounted.first else { return }
        let what =
            counted.isEmpty ? "per_cpu/cpuN/stats is not in the folder for any CPU"
            : uncounted.count == 1 ? "per_cpu/cpu\(first)/stats is not in the folder"
            : "stats of \(uncounted.count) CPUs (the first is per_cpu/cpu\(first)/stats) are not in the folder"
        origin.leftOut.append("\(what): what was lost there, or not copied, shows only as far as the pages tell.")
    }

    /// A file that has not what its name says.
    private func unexpected(_ text: [UInt8], in path: String, _ expected: String) -> TraceError {
        TraceError(path: path, offset: 0, cause: "expected \(expected), found \(text.withUnsafeBytes { quoted($0, limit: 32) })")
    }

    /// Notes what the kernel had and the folder has not.
    private mutating func compare(_ kernel: KernelCount, _ cpu: Int, _ folder: String, _ file: CPUFile?, _ geometry: SubbufferGeometry) throws(TraceError) {
        var copied: UInt64 = 0
        if let file, file.size > 0 {
            let pages = try MappedFile(descriptor: file.descriptor, path: file.path)
            guard let count = withExtendedLifetime(pages, { countRecords(in: pages.bytes, bigEndian: geometry.bigEndian, longSize: geometry.longSize, size: geometry.size) }) else { return }
            copied = count
        }
        guard let missing = kernel.missing(copied: copied) else { return }
        let what = file == nil ? "is not there" : copied == 0 ? "is empty" : "has \(copied) \(copied == 1 ? "record" : "records")"
        let cause =
            "trace_pipe_raw \(what), and by stats the kernel had \(missing) \(copied == 0 ? "" : "more")\(copied > 0 ? "" : missing == 1 ? "record" : "records"): "
            + "not all was copied, or another reader took them"
        origin.problems.append(TraceProblem(TraceError(path: folder, cause: cause), cpu: cpu))
    }

    private func notPages() -> TraceError {
        TraceError(
            path: path, cause: "is a directory, but not one with raw sub-buffers out of tracefs: it has no events/header_page (docs/inputs.md tells what belongs there)")
    }

    private func cpuFiles() throws(TraceError) -> [CPUFile] {
        let folder = "\(path)/per_cpu"
        var files: [CPUFile] = []
        do throws(TraceError) {
            for name in Folder.names(folder) ?? [] where name.hasPrefix("cpu") {
                guard let number = UInt64(name.dropFirst(3)) else { continue }
                guard number < UInt64(TraceFile.cpuLimit) else { throw TraceError(path: "\(folder)/\(name)", cause: "CPU \(number), the limit is \(TraceFile.cpuLimit - 1)") }
                let file = "\(folder)/\(name)/trace_pipe_raw"
                guard let (descriptor, size) = try Folder.open(file) else { continue }
                files.append(CPUFile(cpu: Int(number), path: file, descriptor: descriptor, size: size))
            }
        } catch {
            for file in files { close(file.descriptor) }
            throw error
        }
        files.sort { $0.cpu < $1.cpu }
        if let twice = zip(files, files.dropFirst()).first(where: { $0.cpu == $1.cpu }) {
            for file in files { close(file.descriptor) }
            throw TraceError(path: twice.1.path, cause: "CPU \(twice.1.cpu) is there twice, the other one is \(twice.0.path)")
        }
        return files
    }

    /// The byte order in which the headers of the first sub-buffers make sense. Nothing else in tracefs tells it.
    private func isBigEndian(_ files: [CPUFile], longSize: Int, pageSize: Int) throws(TraceError) -> Bool {
        var little = 0
        var big = 0
        var header = [UInt8](repeating: 0, count: 16)
        for file in files {
            for page in 0..<min(16, file.size / pageSize) {
                guard header.withUnsafeMutableBytes({ pread(file.descriptor, $0.baseAddress!, 8 + longSize, off_t(page * pageSize)) }) == 8 + longSize else { continue }
                let bytes = header[8..<8 + longSize]
                let value = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                let swapped = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                if value == 0 { continue }
                // Lengths, and the marks of missed events.
                let limit = UInt64(pageSize - 8 - longSize)
                if value & 0x3fff_ffff <= limit, value >> 32 == 0 { little += 1 }
                if swapped & 0x3fff_ffff <= limit, swapped >> 32 == 0 { big += 1 }
            }
        }
        return big > little
    }

    private mutating func uname() throws(TraceError) -> String? {
        if let text = try Folder.bytes("\(path)/version", limit: 1 << 12) {
            // "Linux version RELEASE (…) …"
            let words = String(decoding: text, as: UTF8.self).split { $0 == " " || $0 == "\n" }
            if words.count > 2, words[0] == "Linux", words[1] == "version" { return "Linux unknown \(words[2])" }
            throw unexpected(text, in: "\(path)/version", "the content of /proc/version")
        }
        if kernel == nil { origin.leftOut.append("The folder does not name the recorded kernel: --kernel names it, or /proc/version, copied there as `version`.") }
        return nil
    }

    private mutating func clock() throws(TraceError) -> String? {
        guard let text = try Folder.bytes("\(path)/trace_clock", limit: 1 << 12) else {
            origin.leftOut.append("trace_clock is not in the folder, so whether the CPUs' clocks agree is not known.")
            return "[\(Clock.unknown.name)]"
        }
        let clocks = String(decoding: text, as: UTF8.self)
        guard Clock.isNamed(inTraceClockFile: clocks) else { throw unexpected(text, in: "\(path)/trace_clock", "the kernel's clocks, the chosen one in brackets") }
        return clocks
    }

    /// The formats of all events in the folder.
    private func formats() throws(TraceError) -> [(system: String, text: [UInt8])] {
        var formats: [(system: String, text: [UInt8])] = []
        var size = 0
        for system in Folder.names("\(path)/events") ?? [] {
            for event in Folder.names("\(path)/events/\(system)") ?? [] {
                let file = "\(path)/events/\(system)/\(event)/format"
                guard let text = try Folder.bytes(file, limit: Self.formatLimit) else { continue }
                // What else may be wrong with it names the event; this could not.
                guard text.starts(with: "name: ".utf8) else { throw TraceError(path: file, cause: "no event format: it does not begin with its name") }
                size += text.count
                guard size <= Self.formatsLimit, formats.count < 65536 else {
                    throw TraceError(path: "\(path)/events", cause: "more than 65536 event formats, or more than \(Self.formatsLimit) bytes of them")
                }
                formats.append((system, text))
            }
        }
        return formats
    }

    private func write(_ container: TraceContainer, _ files: [CPUFile], cpus: Int, _ progress: ReadingProgress?) throws(TraceError) -> Int32 {
        let target = try converting(path) { () throws(WritingError) in try unnamedFile(in: ConvertedTrace.folder) }
        var sizes = [UInt64](repeating: 0, count: cpus)
        for file in files { sizes[file.cpu] = UInt64(file.size) }
        do throws(TraceError) {
            try converting(path) { () throws(WritingError) in try writeAll(target, container.version6(sizes: sizes)) }
            for file in files {
                var offset: off_t = 0
                while Int(offset) < file.size {
                    let count = sendfile(target, file.descriptor, &offset, min(file.size - Int(offset), 16 << 20))
                    if count < 0 { throw conversionError(path, WritingError(errno: file.path)) }
                    guard count > 0 else { throw TraceError(path: file.path, offset: UInt64(offset), cause: "became shorter while it was read") }
                    progress?.read(bytes: count)
                }
            }
            return target
        } catch {
            close(target)
            throw error
        }
    }
}

import TraceData

/// What a perf.data file says beside its records: tools/perf/Documentation/perf.data-file-format.txt.
///
/// A file has it in sections that its head leads to; what `perf record -o -` writes into a pipe has it among the records.
struct PerfHeader {
    let bigEndian: Bool
    /// Records, as a part of the file.
    let data: Range<Int>
    let isPipe: Bool
    var attributes: [PerfAttribute] = []
    var tracing: PerfTracingData?
    var hostname: String?
    var release: String?
    var machine: String?
    /// Version of perf.
    var version: String?
    var cpus = 0
    /// Words of the command that recorded.
    var command: [String] = []
    /// What could not be read of it, where the user asked to keep going.
    private(set) var problems: [TraceProblem] = []

    /// Numbers of features (tools/perf/util/header.h).
    enum Feature: Int {
        case tracingData = 1
        case hostname = 3
        case release = 4
        case version = 5
        case machine = 6
        case cpus = 7
        case command = 11
        case folder = 24
    }

    /// PERF_RECORD_HEADER_ATTR and others that only a pipe has (tools/lib/perf/include/perf/event.h).
    enum PipeRecord {
        static let attribute: UInt32 = 64
        static let tracingData: UInt32 = 66
        static let feature: UInt32 = 80
    }

    private static let magic = Array("PERFILE2".utf8)
    private static let attributeLimit = 1 << 16
    private static let idLimit = 1 << 22

    static func isOne(_ start: UnsafeRawBufferPointer) -> Bool {
        start.count >= 8 && (start.prefix(8).elementsEqual(magic) || start.prefix(8).elementsEqual(magic.reversed()))
    }

    /// - Parameter keepGoing: what cannot be read of the features is listed instead of thrown.
    init(_ file: MappedFile, keepGoing: Bool) throws(TraceError) {
        let bytes = file.bytes
        bigEndian = !bytes.prefix(8).elementsEqual(Self.magic)
        var cursor = ByteCursor(bytes, bigEndian: bigEndian, place: ByteCursor.Place(path: file.path, base: 0))
        try cursor.skip(8, "the magic")
        let headSize = try cursor.u64("the size of the head")
        if headSize == 16 {
            isPipe = true
            data = 16..<bytes.count
            return
        }
        isPipe = false
        guard headSize >= 104 else { throw cursor.error("the head has \(headSize) bytes by its size field, expected 16 or at least 104", at: 8) }
        let attributeSize = try cursor.u64("the size of an event's attributes")
        let attributes = try Self.section(&cursor, "the events' attributes")
        data = try Self.section(&cursor, "the records", mayBeCut: true)
        try cursor.skip(16, "the event types")
        var features: [Int] = []
        for word in 0..<4 {
            let bits = try cursor.u64("the list of features")
            for bit in 0..<64 where bits >> UInt64(bit) & 1 != 0 { features.append(word * 64 + bit) }
        }
        guard attributeSize >= UInt64(PerfAttribute.smallestSize + 16), attributeSize <= 4096 else {
            throw cursor.error("the attributes of an event have \(attributeSize) bytes with the place of its ids, expected 80 to 4096", at: 16)
        }
        let size = Int(attributeSize)
        var end = max(cursor.position, attributes.upperBound)
        guard attributes.count / size <= Self.attributeLimit else { throw cursor.error("\(attributes.count / size) events, expected at most \(Self.attributeLimit)", at: 24) }
        var ids = 0
        for start in stride(from: attributes.lowerBound, through: attributes.upperBound - size, by: size) {
            var part = Self.cursor(of: start..<start + size - 16, file, bigEndian)
            var attribute = try PerfAttribute(&part)
            var rest = Self.cursor(of: start + size - 16..<start + size, file, bigEndian)
            let place = try Self.section(&rest, "an event's ids", in: bytes)
            end = max(end, place.upperBound)
            ids += place.count / 8
            guard ids <= Self.idLimit else { throw rest.error("the events have more than \(Self.idLimit) ids", at: 0) }
            attribute.ids = stride(from: place.lowerBound, to: place.lowerBound + place.count / 8 * 8, by: 8).map { [bigEndian] in bytes.perfU64($0, bigEndian) }
            self.attributes.append(attribute)
        }
        // The places of the features stand behind the records.
        guard !data.isEmpty, data.upperBound <= bytes.count else { return }
        end = max(end, data.upperBound + 16 * features.count)
        var table = Self.cursor(of: data.upperBound..<bytes.count, file, bigEndian)
        for feature in features {
            do throws(TraceError) {
                let place = try Self.section(&table, "a feature", in: bytes)
                end = max(end, place.upperBound)
                try take(feature, UnsafeRawBufferPointer(rebasing: bytes[place]), UInt64(place.lowerBound), file.path)
            } catch {
                // Where the records are in other files, nothing is left to go on with.
                guard keepGoing, feature != Feature.folder.rawValue else { throw error }
                problems.append(TraceProblem(error))
                if table.remaining < 16 { break }
            }
        }
        // Zeros may fill it up; `cat a.data b.data` has another file there.
        guard problems.isEmpty, bytes[end...].contains(where: { $0 != 0 }) else { return }
        let error = TraceError(path: file.path, offset: UInt64(end), cause: "the file goes on for \(bytes.count - end) bytes behind its last section")
        guard keepGoing else { throw error }
        problems.append(TraceProblem(error))
    }

    private static func cursor(of part: Range<Int>, _ file: MappedFile, _ bigEndian: Bool) -> ByteCursor {
        ByteCursor(UnsafeRawBufferPointer(rebasing: file.bytes[part]), bigEndian: bigEndian, place: ByteCursor.Place(path: file.path, base: UInt64(part.lowerBound)))
    }

    /// Takes an offset and a size, which must lie in the file.
    ///
    /// - Parameter mayBeCut: the file may end before the section does; then the part that is there is given, up to one byte beyond it.
    private static func section(
        _ cursor: inout ByteCursor, _ what: String, in bytes: UnsafeRawBufferPointer? = nil, mayBeCut: Bool = false
    ) throws(TraceError) -> Range<Int> {
        let start = cursor.position
        let offset = try cursor.u64("the offset of \(what)")
        let size = try cursor.u64("the size of \(what)")
        let end = UInt64((bytes ?? cursor.bytes).count)
        if mayBeCut, offset <= end, size > end - offset { return Int(offset)..<Int(end) + 1 }
        guard offset <= end, size <= end - offset else { throw cursor.error("\(what): \(size) bytes from byte \(offset) on, the file has \(end)", at: start) }
        return Int(offset)..<Int(offset + size)
    }

    /// Takes a feature's content, if it is one of those that tell something.
    ///
    /// - Parameter offset: of the content in the file.
    mutating func take(_ number: Int, _ content: UnsafeRawBufferPointer, _ offset: UInt64, _ path: String) throws(TraceError) {
        guard let feature = Feature(rawValue: number) else { return }
        var cursor = ByteCursor(content, bigEndian: bigEndian, place: ByteCursor.Place(path: path, base: offset))
        func text(_ what: String) throws(TraceError) -> String {
            let size = try cursor.u32("the length of \(what)")
            return ByteCursor.text(try cursor.take(UInt64(size), what))
        }
        switch feature {
        case .tracingData: tracing = try PerfTracingData(content, path: path, offset: offset)
        case .hostname: hostname = try text("the host's name")
        case .release: release = try text("the kernel's release")
        case .version: version = try text("perf's version")
        case .machine: machine = try text("the machine's name")
        case .cpus:
            // Those that the machine may have and those that are online; which comes first has changed.
            cpus = Int(max(try cursor.u32("the number of CPUs"), try cursor.u32("the number of CPUs")))
        case .command:
            let count = try cursor.u32("the number of words of the command")
            for _ in 0..<min(count, 4096) { command.append(try text("a word of the command")) }
        case .folder: throw cursor.error("the records are in several files (perf record --threads): that is not read", at: 0)
        }
    }
}

import TraceData

/// What a perf.data says about itself: header, attributes and feature sections of a file (tools/perf/Documentation/perf.data-file-format.txt), or the records that
/// stand for them in what `perf record -o -` writes into a pipe.
struct PerfFile {
    let path: String
    let bytes: PerfBytes
    /// Where the records are.
    private(set) var data = 0..<0
    private(set) var attributes: [PerfAttribute] = []
    /// Indices of ``attributes`` by the ids of their events.
    private(set) var attributeByID: [UInt64: Int] = [:]
    private(set) var tracingData: TracingData?
    private(set) var release: String?
    private(set) var host: String?
    private(set) var machine: String?
    /// CPUs that the machine has.
    private(set) var cpus: Int?
    private(set) var isCompressed = false

    /// HEADER_* of tools/perf/util/header.h.
    private enum Feature {
        static let tracingData = 1
        static let hostname = 3
        static let osRelease = 4
        static let arch = 6
        static let cpus = 7
        static let compressed = 27
        static let count = 256
    }

    private static let attributeLimit = 65536
    private static let idLimit = 1 << 22

    static func isMagic(_ start: UnsafeRawBufferPointer) -> Bool { start.starts(with: "PERFILE2".utf8) || start.starts(with: "2ELIFREP".utf8) }

    init(_ file: MappedFile) throws(TraceError) {
        path = file.path
        bytes = PerfBytes(file.bytes, bigEndian: file.bytes.first == UInt8(ascii: "2"))
        guard bytes.count >= 16 else { throw error("truncated: the file has only \(bytes.count) bytes", 0) }
        let size = bytes.u64(8)
        if size == 16 {
            data = 16..<bytes.count
            try readPipe()
        } else {
            guard size >= 104 else { throw error("the header states a size of \(size), expected 104, or 16 of a pipe", 8) }
            guard bytes.has(104, at: 0) else { throw error("truncated: the file has only \(bytes.count) bytes", 0) }
            try readHeader()
        }
        guard !attributes.isEmpty else { throw error("there is no event in it", 0) }
    }

    func error(_ cause: String, _ offset: Int) -> TraceError { TraceError(path: path, offset: UInt64(offset), cause: cause) }

    // MARK: a file

    private mutating func readHeader() throws(TraceError) {
        let section = { (bytes: PerfBytes, offset: Int) in (offset: bytes.u64(offset), size: bytes.u64(offset + 8)) }
        let attributeSize = bytes.u64(16)
        let attributes = section(bytes, 24)
        let records = section(bytes, 40)
        // The attribute, and where its ids are.
        guard attributeSize >= UInt64(PerfAttribute.smallest + 16), attributeSize <= 4096 else {
            throw error("attributes state a size of \(attributeSize), expected \(PerfAttribute.smallest + 16) to 4096", 16)
        }
        guard bytes.has(attributes.size, at: attributes.offset) else {
            throw error("truncated: attributes have \(attributes.size) bytes at byte \(attributes.offset), the file has \(bytes.count)", 24)
        }
        guard attributes.size % attributeSize == 0 else { throw error("attributes of \(attributeSize) bytes have \(attributes.size) bytes", 24) }
        guard attributes.size / attributeSize <= UInt64(Self.attributeLimit) else { throw error("\(attributes.size / attributeSize) attributes are stated", 24) }
        for index in 0..<Int(attributes.size / attributeSize) {
            let place = Int(attributes.offset) + index * Int(attributeSize)
            let ids = section(bytes, place + Int(attributeSize) - 16)
            guard bytes.has(ids.size, at: ids.offset), ids.size % 8 == 0 else {
                throw error("ids of an event have \(ids.size) bytes at byte \(ids.offset), the file has \(bytes.count)", place + Int(attributeSize) - 16)
            }
            try add(place, Int(attributeSize) - 16, ids: Int(ids.offset)..<Int(ids.offset + ids.size))
        }
        guard records.size > 0 else { throw error("the data has a size of 0: perf record was not ended in order", 48) }
        // The formats of the events are behind the data: without its end nothing can be read, whatever the user wants.
        guard bytes.has(records.size, at: records.offset) else {
            throw error("truncated: the data has \(records.size) bytes at byte \(records.offset), the file has \(bytes.count)", 40)
        }
        data = Int(records.offset)..<Int(records.offset + records.size)
        try readFeatures(behind: data.upperBound)
    }

    private mutating func readFeatures(behind end: Int) throws(TraceError) {
        var place = end
        for feature in 0..<Feature.count {
            let word = bytes.u64(72 + feature / 64 * 8)
            guard word >> UInt64(feature % 64) & 1 != 0 else { continue }
            guard bytes.has(16, at: UInt64(place)) else { throw error("truncated: the table of features", place) }
            let (offset, size) = (bytes.u64(place), bytes.u64(place + 8))
            place += 16
            guard bytes.has(size, at: offset) else { throw error("truncated: feature \(feature) has \(size) bytes at byte \(offset), the file has \(bytes.count)", place - 16) }
            try take(feature, Int(offset)..<Int(offset + size))
        }
    }

    // MARK: a pipe

    private mutating func readPipe() throws(TraceError) {
        var records = PerfRecords(bytes, data)
        while true {
            do throws(PerfRecords.Damage) { if try !records.advance() { return } } catch {
                // What is wrong with records shows when they are read, and may be what the user wants to go on behind.
                return
            }
            switch records.kind {
            case PerfRecords.Kind.attribute:
                let start = records.offset + 8
                guard records.size >= 8 + PerfAttribute.smallest else { throw error("an attribute of \(records.size - 8) bytes", records.offset) }
                let size = Int(bytes.u32(start + 4))
                guard size >= PerfAttribute.smallest, size <= records.size - 8, (records.size - 8 - size) % 8 == 0 else {
                    throw error("an attribute states a size of \(size), its record has \(records.size - 8)", start + 4)
                }
                try add(start, size, ids: start + size..<records.offset + records.size)
            case PerfRecords.Kind.feature:
                guard records.size >= 16, let feature = Int(exactly: bytes.u64(records.offset + 8)) else { continue }
                try take(feature, records.offset + 16..<records.offset + records.size)
            case PerfRecords.Kind.tracingData:
                try take(Feature.tracingData, records.payload)
            case PerfRecords.Kind.compressed, PerfRecords.Kind.compressed2:
                isCompressed = true
            default: break
            }
        }
    }

    // MARK: both

    private mutating func add(_ place: Int, _ size: Int, ids: Range<Int>) throws(TraceError) {
        guard attributes.count < Self.attributeLimit, attributeByID.count + ids.count / 8 <= Self.idLimit else {
            throw error("more than \(Self.attributeLimit) attributes, or \(Self.idLimit) ids", place)
        }
        let attribute = PerfAttribute(PerfBytes(bytes.part(place, size), bigEndian: bytes.bigEndian))
        for id in stride(from: ids.lowerBound, to: ids.upperBound, by: 8) { attributeByID[bytes.u64(id)] = attributes.count }
        attributes.append(attribute)
    }

    private mutating func take(_ feature: Int, _ range: Range<Int>) throws(TraceError) {
        let part = bytes.part(range.lowerBound, range.count)
        var cursor = ByteCursor(part, bigEndian: bytes.bigEndian, place: ByteCursor.Place(path: path, base: UInt64(range.lowerBound)))
        func string() throws(TraceError) -> String {
            let size = try cursor.u32("the size of a string")
            return ByteCursor.text(try cursor.take(UInt64(size), "a string of feature \(feature)"))
        }
        switch feature {
        case Feature.tracingData: tracingData = try TracingData(cursor)
        case Feature.hostname: host = try string()
        case Feature.osRelease: release = try string()
        case Feature.arch: machine = try string()
        case Feature.cpus:
            let count = try cursor.u32("the number of CPUs")
            if count <= UInt32(TraceFile.cpuLimit) { cpus = Int(count) }
        case Feature.compressed: isCompressed = true
        default: break
        }
    }

    /// "Linux HOST RELEASE MACHINE"; nil if the release is not known.
    var uname: String? {
        guard let release, !release.isEmpty else { return nil }
        let word = { (text: String) in text.split(whereSeparator: { $0 == " " || $0 == "\n" }).joined(separator: "_") }
        return ["Linux", host.map(word).flatMap { $0.isEmpty ? nil : $0 } ?? "unknown", word(release), machine.map(word) ?? ""].filter { !$0.isEmpty }.joined(separator: " ")
    }

    /// The trace's clock, by the attribute's clockid (include/uapi/linux/time.h).
    var clock: String {
        let tracepoints = attributes.filter(\.isTracepoint)
        switch (tracepoints.first ?? attributes[0]).clockID {
        case nil: return "perf"
        case 0: return "realtime"
        case 1: return "mono"
        case 4: return "mono_raw"
        case 7: return "boot"
        case 11: return "tai"
        case let other?: return "clock-\(other)"
        }
    }
}

/// The types of a kernel, as it describes them itself (Documentation/bpf/btf.rst): where a field is in a structure, and what a function's parameters are.
///
/// Own reader, for the little that is asked. Every offset and count is checked before it is used; what is damaged, or of a kind that is not known, is an error, since what
/// follows it cannot be found.
struct BTF {
    typealias TypeID = UInt32

    /// BTF_KIND_* of include/uapi/linux/btf.h.
    enum Kind: UInt8 {
        case void, int, pointer, array, structure, union, enumeration, forward, typedef, volatile, const, restrict, function, prototype, variable, section
        case float, declTag, typeTag, enumeration64
    }

    struct Parameter: Equatable {
        var name: String
        var type: TypeID
    }

    private let bytes: [UInt8]
    /// Where each type begins; the one at 0 is void, which has no place.
    private var places: [UInt32] = [0]
    private let strings: Range<Int>
    /// Where the kinds are that are looked for by name: a tenth and a third of all.
    private var structures: [UInt32] = []
    private var functions: [UInt32] = []

    private static let magic: UInt16 = 0xeb9f
    private static let headerSize = 24
    /// Types within types: more is a cycle.
    private static let depthLimit = 64
    /// More types than this no kernel has (Debian's 6.1 has 140,000).
    private static let typeLimit = 1 << 22
    /// Members that are looked at for one field: structures within each other could have any number.
    private static let memberLimit = 1 << 20

    /// - Parameter path: for messages.
    init(_ bytes: [UInt8], path: String) throws(RecordingError) {
        self.bytes = bytes
        func fail(_ cause: String) -> RecordingError { RecordingError("\(path): no BTF that can be used: \(cause)") }
        if bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46]) {
            throw fail("it is an ELF file; objcopy -O binary --only-section=.BTF --set-section-flags .BTF=alloc vmlinux FILE takes the BTF out")
        }
        guard bytes.count >= Self.headerSize else { throw fail("\(bytes.count) bytes are no header") }
        guard bytes.u16(0) == Self.magic else { throw fail("it does not begin with 0xeb9f, or is not of a little-endian machine") }
        guard bytes[2] == 1 else { throw fail("version \(bytes[2]) is not known") }
        let header = Int(bytes.u32(4))
        guard header >= Self.headerSize, header <= bytes.count else { throw fail("a header of \(header) bytes") }
        func range(_ place: Int, _ what: String) throws(RecordingError) -> Range<Int> {
            let (offset, size) = (Int(bytes.u32(place)), Int(bytes.u32(place + 4)))
            guard header + offset + size <= bytes.count else { throw fail("\(what) of \(size) bytes at \(header + offset), the file has \(bytes.count)") }
            return header + offset..<header + offset + size
        }
        let types = try range(8, "types")
        strings = try range(16, "strings")
        guard let last = strings.last, bytes[last] == 0 else { throw fail("the strings have no end") }
        var place = types.lowerBound
        while place < types.upperBound {
            guard types.upperBound - place >= 12 else { throw fail("type \(places.count) is cut off") }
            let info = bytes.u32(place + 4)
            guard let kind = Kind(rawValue: UInt8(info >> 24 & 0x1f)), kind != .void else {
                throw fail("type \(places.count) is of kind \(info >> 24 & 0x1f), which is not known")
            }
            let size = 12 + Self.extraSize(kind, count: Int(info & 0xffff))
            guard types.upperBound - place >= size else { throw fail("type \(places.count) is cut off") }
            guard places.count < Self.typeLimit else { throw fail("more than \(Self.typeLimit) types") }
            places.append(UInt32(place))
            if kind == .structure { structures.append(UInt32(place)) }
            if kind == .function { functions.append(UInt32(place)) }
            place += size
        }
    }

    /// Bytes behind a type's first 12.
    private static func extraSize(_ kind: Kind, count: Int) -> Int {
        switch kind {
        case .int, .variable, .declTag: 4
        case .array: 12
        case .structure, .union, .section, .enumeration64: 12 * count
        case .enumeration, .prototype: 8 * count
        case .void, .pointer, .forward, .typedef, .volatile, .const, .restrict, .function, .float, .typeTag: 0
        }
    }

    // MARK: types

    private func place(_ type: TypeID) -> Int? { type > 0 && type < places.count ? Int(places[Int(type)]) : nil }

    private func kind(_ place: Int) -> Kind { Kind(rawValue: UInt8(bytes.u32(place + 4) >> 24 & 0x1f)) ?? .void }

    private func count(_ place: Int) -> Int { Int(bytes.u32(place + 4) & 0xffff) }

    private func name(at offset: UInt32) -> ArraySlice<UInt8> {
        guard Int(offset) < strings.count else { return [] }
        return bytes[(strings.lowerBound + Int(offset))..<strings.upperBound].prefix { $0 != 0 }
    }

    private func isNamed(_ place: Int, _ name: [UInt8]) -> Bool {
        let offset = Int(bytes.u32(place))
        guard offset > 0, offset + name.count < strings.count else { return false }
        let start = strings.lowerBound + offset
        return bytes[start] == name.first && bytes[start + name.count] == 0 && bytes[start..<start + name.count].elementsEqual(name)
    }

    /// Those of some types that have a name.
    ///
    /// - Complexity: O(number of these types), about a millisecond.
    private func find(_ candidates: [UInt32], _ name: String) -> [Int] {
        let wanted = Array(name.utf8)
        var found: [Int] = []
        for candidate in candidates where isNamed(Int(candidate), wanted) { found.append(Int(candidate)) }
        return found
    }

    /// Without typedef, const and the like; nil if they form a cycle.
    private func resolved(_ type: TypeID) -> Int? {
        var type = type
        for _ in 0..<Self.depthLimit {
            guard let place = place(type) else { return nil }
            switch kind(place) {
            case .typedef, .volatile, .const, .restrict, .typeTag: type = bytes.u32(place + 8)
            default: return place
            }
        }
        return nil
    }

    // MARK: what is asked

    /// Bytes from the start of a structure to a field, as `cpu_bitmap` or `arch.tlbbatch`; nil if there is no such structure or field, if it is a bit field, or if
    /// several structures have the name and do not agree.
    func offset(_ structure: String, _ field: String) -> Int? {
        var found: Int?
        for place in find(structures, structure) {
            var left = Self.memberLimit
            guard let offset = offset(place, field.split(separator: ".").map { Array($0.utf8) }[...], depth: 0, &left) else { return nil }
            if let found, found != offset { return nil }
            found = offset
        }
        return found
    }

    private func offset(_ place: Int, _ path: ArraySlice<[UInt8]>, depth: Int, _ left: inout Int) -> Int? {
        guard depth < Self.depthLimit, let wanted = path.first, kind(place) == .structure || kind(place) == .union else { return nil }
        let hasBitFields = bytes.u32(place + 4) >> 31 == 1
        for index in 0..<count(place) {
            left -= 1
            guard left > 0 else { return nil }
            let member = place + 12 + 12 * index
            let word = bytes.u32(member + 8)
            let bits = hasBitFields ? word & 0xff_ffff : word
            let isBitField = hasBitFields && word >> 24 != 0
            if bytes.u32(member) == 0 {
                // Without a name: its fields are as if they were the structure's own.
                guard !isBitField, bits % 8 == 0, let inner = resolved(bytes.u32(member + 4)) else { continue }
                if let offset = offset(inner, path, depth: depth + 1, &left) { return Int(bits / 8) + offset }
            } else if isNamed(member, wanted) {
                guard !isBitField, bits % 8 == 0 else { return nil }
                if path.count == 1 { return Int(bits / 8) }
                guard let inner = resolved(bytes.u32(member + 4)), let offset = offset(inner, path.dropFirst(), depth: depth + 1, &left) else { return nil }
                return Int(bits / 8) + offset
            }
        }
        return nil
    }

    /// The field is an array in the structure itself, not a pointer.
    func isArray(_ structure: String, _ field: String) -> Bool {
        let wanted = Array(field.utf8)
        let found = find(structures, structure)
        return !found.isEmpty
            && found.allSatisfy { place in
                (0..<count(place)).contains { index in
                    let member = place + 12 + 12 * index
                    return isNamed(member, wanted) && resolved(bytes.u32(member + 4)).map { kind($0) == .array } == true
                }
            }
    }

    /// A function's parameters; nil if there is no such function, or several that differ.
    func parameters(_ function: String) -> [Parameter]? {
        var found: [Parameter]?
        for place in find(functions, function) {
            guard let prototype = self.place(bytes.u32(place + 8)), kind(prototype) == .prototype else { return nil }
            let list = (0..<count(prototype)).map { index in
                let parameter = prototype + 12 + 8 * index
                return Parameter(name: String(decoding: name(at: bytes.u32(parameter)), as: UTF8.self), type: bytes.u32(parameter + 4))
            }
            if let found, found.map(\.name) != list.map(\.name) { return nil }
            found = list
        }
        return found
    }

    /// The type takes one register of those for integers (System V ABI of x86-64): an integer of up to 8 bytes, a pointer, an enumeration.
    func isScalar(_ type: TypeID) -> Bool {
        guard let place = resolved(type) else { return false }
        switch kind(place) {
        case .pointer: return true
        case .int, .enumeration, .enumeration64: return bytes.u32(place + 8) <= 8
        default: return false
        }
    }

    /// The type is a pointer to this structure.
    func isPointer(_ type: TypeID, to structure: String) -> Bool {
        guard let pointer = resolved(type), kind(pointer) == .pointer, let target = resolved(bytes.u32(pointer + 8)) else { return false }
        return (kind(target) == .structure || kind(target) == .forward) && isNamed(target, Array(structure.utf8))
    }
}

extension [UInt8] {
    /// Little-endian. The caller has checked that it is there.
    fileprivate func u16(_ place: Int) -> UInt16 { UInt16(self[place]) | UInt16(self[place + 1]) << 8 }
    fileprivate func u32(_ place: Int) -> UInt32 { UInt32(u16(place)) | UInt32(u16(place + 2)) << 16 }
}

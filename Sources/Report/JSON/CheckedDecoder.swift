/// A decoder around another one that takes no number for a count which is none: below zero, with a fraction, or too large for its type.
///
/// JSONDecoder takes -1 for a number like others, and of a number that does not fit it tells no key. Here each type's `init(from:)` sees this decoder at
/// every level, so that numbers are looked at in one place, whatever part of a report they are in.
struct CheckedDecoder: Decoder {
    let inner: any Decoder
    var codingPath: [any CodingKey] { inner.codingPath }
    var userInfo: [CodingUserInfoKey: Any] { inner.userInfo }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(CheckedMembers(inner: try inner.container(keyedBy: type)))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { CheckedElements(inner: try inner.unkeyedContainer()) }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { CheckedValue(inner: try inner.singleValueContainer(), decoder: self) }
}

/// Decodes a value through a ``CheckedDecoder``.
struct Checked<Value: Decodable>: Decodable {
    let value: Value

    init(from decoder: any Decoder) throws { value = try Value(from: CheckedDecoder(inner: decoder)) }
}

// Each of the three has one generic method for what the protocols ask for type by type.

private struct CheckedMembers<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let inner: KeyedDecodingContainer<Key>
    var codingPath: [any CodingKey] { inner.codingPath }
    var allKeys: [Key] { inner.allKeys }

    func contains(_ key: Key) -> Bool { inner.contains(key) }
    func decodeNil(forKey key: Key) throws -> Bool { try inner.decodeNil(forKey: key) }

    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
        guard contains(key) else { throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: "missing")) }
        return try checked(type, at: codingPath + [key], plain: { try inner.decode($0, forKey: key) }, nested: { try superDecoder(forKey: key) })
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws -> KeyedDecodingContainer<Nested> {
        try superDecoder(forKey: key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { try superDecoder(forKey: key).unkeyedContainer() }
    func superDecoder() throws -> any Decoder { CheckedDecoder(inner: try inner.superDecoder()) }
    func superDecoder(forKey key: Key) throws -> any Decoder { CheckedDecoder(inner: try inner.superDecoder(forKey: key)) }
}

private struct CheckedElements: UnkeyedDecodingContainer {
    var inner: any UnkeyedDecodingContainer
    var codingPath: [any CodingKey] { inner.codingPath }
    var count: Int? { inner.count }
    var isAtEnd: Bool { inner.isAtEnd }
    var currentIndex: Int { inner.currentIndex }

    mutating func decodeNil() throws -> Bool { try inner.decodeNil() }

    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
        // The place of this element: decoding goes on to the next.
        var here = inner
        let value = try checked(
            type, at: codingPath + [Index(intValue: currentIndex)], plain: { try here.decode($0) }, nested: { CheckedDecoder(inner: try here.superDecoder()) })
        inner = here
        return value
    }

    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> { try superDecoder().container(keyedBy: type) }
    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try superDecoder().unkeyedContainer() }
    mutating func superDecoder() throws -> any Decoder { CheckedDecoder(inner: try inner.superDecoder()) }

    private struct Index: CodingKey {
        let index: Int
        var intValue: Int? { index }
        var stringValue: String { "\(index)" }

        init(intValue: Int) { index = intValue }
        init?(stringValue: String) { return nil }
    }
}

private struct CheckedValue: SingleValueDecodingContainer {
    let inner: any SingleValueDecodingContainer
    let decoder: CheckedDecoder
    var codingPath: [any CodingKey] { inner.codingPath }

    func decodeNil() -> Bool { inner.decodeNil() }

    func decode<T: Decodable>(_ type: T.Type) throws -> T { try checked(type, at: codingPath, plain: { try inner.decode($0) }, nested: { decoder }) }
}

/// A value of a type: a number, which is looked at, a text or truth value as it is, and what has parts by a decoder that looks at those.
private func checked<T: Decodable>(
    _ type: T.Type, at path: [any CodingKey], plain: (any Decodable.Type) throws -> any Decodable, nested: () throws -> any Decoder
) throws -> T {
    switch type {
    case let integer as any (FixedWidthInteger & Decodable).Type: return try number(integer, at: path, plain) as! T
    case is String.Type, is Bool.Type, is Double.Type: return try plain(type) as! T
    default: return try T(from: nested())
    }
}

private func number<N: FixedWidthInteger & Decodable>(_ type: N.Type, at path: [any CodingKey], _ plain: (any Decodable.Type) throws -> any Decodable) throws -> N {
    let least = mayBeNegative(path) ? N.min : 0
    do {
        let value = try plain(type) as! N
        if value >= least { return value }
    } catch let error as DecodingError {
        // It is no number, or not there.
        throw error
    } catch {
        // A number that the type does not have: said below.
    }
    let found = try? plain(Double.self) as? Double
    let text = found.map { value in Int(exactly: value).map(String.init) ?? "\(value)" }
    throw DecodingError.dataCorrupted(
        .init(codingPath: path, debugDescription: "expected a whole number from \(least) to \(N.max)" + (text.map { ", found \($0)" } ?? "")))
}

/// Whether a number is no count: a difference, a pid as a trace has it, -1 for all pages, or what a workload wrote into trace_marker.
private func mayBeNegative(_ path: [any CodingKey]) -> Bool {
    guard let key = path.last(where: { $0.intValue == nil })?.stringValue else { return false }
    return ["ahead_ns", "at_least_ns", "at_most_ns", "pages", "pid"].contains(key) || path.count > 1 && path[path.count - 2].stringValue == "recorded" && key.hasPrefix("nr_tlb_")
}

/// An optional that is written as `null`, so that its key is always there; a missing key reads as nil.
///
/// Without it Codable leaves the key out, and a reader cannot tell "unknown" from "an older report".
///
/// What it holds is asked for no more than where it is written or compared: each of these types would have to be looked up when the program starts to use it.
@propertyWrapper
public struct ExplicitNull<Value: Sendable>: Sendable {
    public var wrappedValue: Value?

    public init(wrappedValue: Value?) {
        self.wrappedValue = wrappedValue
    }
}

extension ExplicitNull: Equatable where Value: Equatable {}

extension ExplicitNull: Codable where Value: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        wrappedValue = container.decodeNil() ? nil : try container.decode(Value.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue {
            try container.encode(wrappedValue)
        } else {
            try container.encodeNil()
        }
    }
}

extension KeyedDecodingContainer {
    /// Chosen by the synthesized `init(from:)` of types that use ``ExplicitNull``.
    func decode<Value: Codable>(_ type: ExplicitNull<Value>.Type, forKey key: Key) throws -> ExplicitNull<Value> {
        try decodeIfPresent(type, forKey: key) ?? ExplicitNull(wrappedValue: nil)
    }
}

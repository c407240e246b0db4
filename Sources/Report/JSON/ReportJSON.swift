import FoundationEssentials

/// The JSON form of reports: one report is one object, several are an array of such objects, in the order given.
///
/// - Parameter asArray: write an array even of one report or none; by default as many reports as there are decide.
///
/// Keys are sorted and the layout is fixed, so that the reports of two runs can be compared as text.
public func renderJSON(_ documents: [ReportDocument], asArray: Bool? = nil) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let data = asArray ?? (documents.count != 1) ? try encoder.encode(documents) : try encoder.encode(documents[0])
    return safeForTerminals(json: data) + "\n"
}

/// What an encoder wrote, with what ``jsonEscaped(_:)`` names escaped: outside of strings there is nothing of the kind.
public func safeForTerminals(json data: Data) -> String {
    let json = String(decoding: data, as: UTF8.self)
    // ASCII is done: the encoder escapes its control characters, all but DEL.
    guard data.withUnsafeBytes({ bytes in bytes.contains { $0 >= 0x7f } }) else { return json }
    var safe = String.UnicodeScalarView()
    for scalar in json.unicodeScalars {
        if scalar.value >= 0x7f, let escaped = jsonEscaped(scalar) {
            safe.append(contentsOf: escaped.unicodeScalars)
        } else {
            safe.append(scalar)
        }
    }
    return String(safe)
}

/// Why a text is not a report that can be read back.
public enum ReportReadingError: Error, Equatable, CustomStringConvertible {
    /// The text is no JSON, or no report: what is wrong with it, and at which key.
    case malformed(String)
    /// The report was written by another generation of the tool.
    case unsupportedVersion(Int)

    public var description: String {
        switch self {
        case .malformed(let cause): "not a lazytlb report: \(cause)"
        case .unsupportedVersion(let version):
            "a report of schema version \(version), this tool reads version \(ReportDocument.currentSchemaVersion)"
        }
    }
}

/// Reads what ``renderJSON(_:)`` wrote: one report or an array of them. What has passed here can be calculated with: counts are none below zero, and no part is more
/// than its whole.
public func readReports(json: some Sequence<UInt8>) throws(ReportReadingError) -> [ReportDocument] {
    let data = Data(json)
    let isArray = data.first { !" \t\r\n".utf8.contains($0) } == UInt8(ascii: "[")
    do {
        let decoder = JSONDecoder()
        func decode<Value: Decodable>(_ type: Value.Type) throws -> [Value] {
            isArray ? try decoder.decode([Checked<Value>].self, from: data).map(\.value) : [try decoder.decode(Checked<Value>.self, from: data).value]
        }
        // The version first: of another version's document any key may be missing.
        let versions = try decode(VersionOnly.self)
        if let foreign = versions.first(where: { $0.schemaVersion != ReportDocument.currentSchemaVersion }) {
            throw ReportReadingError.unsupportedVersion(foreign.schemaVersion)
        }
        let documents = try decode(ReportDocument.self)
        for (index, document) in documents.enumerated() {
            guard let found = document.contradiction else { continue }
            throw ReportReadingError.malformed("\(isArray ? "[\(index)]." : "")\(found.key): \(found.cause)")
        }
        return documents
    } catch let error as ReportReadingError {
        throw error
    } catch let error as DecodingError {
        throw .malformed(describe(error))
    } catch {
        throw .malformed("\(error)")
    }
}

/// What every version of the document has.
private struct VersionOnly: Decodable {
    var schemaVersion: Int

    enum CodingKeys: String, CodingKey {
        case schemaVersion = "schema_version"
    }
}

private func describe(_ error: DecodingError) -> String {
    func place(_ path: [any CodingKey]) -> String {
        let keys = path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
        return path.isEmpty ? "the top" : keys.joined(separator: ".").replacing(".[", with: "[")
    }
    return switch error {
    case .keyNotFound(let key, let context): "the key \(key.stringValue) is missing at \(place(context.codingPath))"
    case .typeMismatch(let type, let context): "expected \(inWords(type)) at \(place(context.codingPath))"
    case .valueNotFound(let type, let context): "expected \(inWords(type)) at \(place(context.codingPath)), found null"
    case .dataCorrupted(let context): "\(context.debugDescription) (at \(place(context.codingPath)))"
    @unknown default: "\(error)"
    }
}

/// What JSON calls it.
private func inWords(_ type: Any.Type) -> String {
    switch type {
    case is String.Type: "a string"
    case is Bool.Type: "true or false"
    case is any BinaryInteger.Type, is any BinaryFloatingPoint.Type: "a number"
    default: "\(type)".hasPrefix("Array") ? "a list" : "an object"
    }
}

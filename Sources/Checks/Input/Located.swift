/// What is wrong with a baseline or a budget: where, and what would have been right.
public struct DocumentError: Error, Equatable, CustomStringConvertible {
    public var path: String
    /// From 1; nil where the error has no place in the text.
    public var line: Int?
    public var column: Int?
    /// The keys down to the place, joined by dots; empty at the top.
    public var key: String
    public var cause: String

    public init(path: String, line: Int? = nil, column: Int? = nil, key: String = "", cause: String) {
        self.path = path
        self.line = line
        self.column = column
        self.key = key
        self.cause = cause
    }

    public var description: String {
        var place = path
        if let line { place += ":\(line)" + (column.map { ":\($0)" } ?? "") }
        return "\(place): \(key.isEmpty ? "" : "\(key): ")\(cause)"
    }
}

/// A node of a YAML or JSON text (JSON is YAML) that knows where it stands, so that what is wrong with it can be said precisely.
struct Located {
    let node: YAMLNode
    let path: String
    let key: String
    /// The key's own place, of a mapping's member.
    private let keyNode: YAMLNode?

    /// The top of a text.
    init(_ text: String, path: String) throws(DocumentError) {
        let node: YAMLNode?
        do throws(YAMLNode.Problem) { node = try YAMLNode.parse(text) } catch {
            throw DocumentError(path: path, line: error.line, column: error.column, cause: error.cause)
        }
        guard let node else { throw DocumentError(path: path, cause: "the file is empty") }
        self.init(node: node, path: path, key: "")
    }

    private init(node: YAMLNode, path: String, key: String, keyNode: YAMLNode? = nil) {
        self.node = node
        self.path = path
        self.key = key
        self.keyNode = keyNode
    }

    /// Where its name stands, for what is wrong with that.
    var name: Located { Located(node: keyNode ?? node, path: path, key: key) }

    func fail(_ cause: String) -> DocumentError {
        DocumentError(path: path, line: node.line, column: node.column, key: key, cause: cause)
    }

    // MARK: Mappings

    /// The members in their order; a key that is not among `keys` is an error that names the nearest of them.
    func members(_ keys: [String]? = nil) throws(DocumentError) -> [(name: String, value: Located)] {
        guard case .mapping(let mapping) = node.content else { throw fail("expected a mapping, found \(kind)") }
        var members: [(name: String, value: Located)] = []
        for (keyNode, value) in mapping {
            guard case .scalar(let name, _) = keyNode.content else { throw fail("a key is not a text") }
            let inner = key.isEmpty ? name : "\(key).\(name)"
            if let keys, !keys.contains(name) {
                throw Located(node: keyNode, path: path, key: inner).unknown("key", name, among: keys)
            }
            members.append((name, Located(node: value, path: path, key: inner, keyNode: keyNode)))
        }
        return members
    }

    /// A text that should be one of several.
    func unknown(_ what: String, _ name: String, among names: [String]) -> DocumentError {
        let near = nearest(name, among: names)
        let hint =
            !near.isEmpty ? "; did you mean \(list(near, "or"))?" : names.count <= 12 ? "; expected \(list(names, "or"))"
            // Of many names that are all far off: how they begin.
            : "; names begin with \(list(Set(names.map { $0.prefix { $0 != "." } + "." }).map(String.init).sorted(), "or"))"
        return fail("unknown \(what) \"\(name)\"\(hint)")
    }

    func member(_ name: String) throws(DocumentError) -> Located? {
        try members().first { $0.name == name }?.value
    }

    func required(_ name: String) throws(DocumentError) -> Located {
        guard let found = try member(name) else { throw fail("the key \(name) is missing") }
        return found
    }

    func elements() throws(DocumentError) -> [Located] {
        guard case .sequence(let sequence) = node.content else { throw fail("expected a list, found \(kind)") }
        return sequence.enumerated().map { Located(node: $0.element, path: path, key: "\(key)[\($0.offset)]") }
    }

    // MARK: Scalars

    /// Of a text without quotes, by YAML's core schema.
    var isNull: Bool { plain.map { ["", "~", "null", "Null", "NULL"].contains($0) } ?? false }

    /// Not what is a number, true, false or null: a name of such letters stands in quotes.
    func text() throws(DocumentError) -> String {
        let text = try scalar()
        guard plain == nil || !isNull && Double(text) == nil && !isTruth else { throw fail("expected a text, found \(kind)") }
        return text
    }

    /// What is written there, of whatever type.
    func scalar() throws(DocumentError) -> String {
        guard case .scalar(let text, _) = node.content else { throw fail("expected a text, found \(kind)") }
        return text
    }

    /// A text, or nil where it is null.
    func optionalText() throws(DocumentError) -> String? { isNull ? nil : try text() }

    func number() throws(DocumentError) -> Double {
        guard let text = plain, let value = Double(text) else { throw fail("expected a number, found \(kind)") }
        guard value.isFinite else { throw fail("expected a finite number, found \(text)") }
        return value
    }

    func nonNegative() throws(DocumentError) -> Double {
        let value = try number()
        guard value >= 0 else { throw fail("expected a number that is not negative") }
        return value
    }

    /// A number from 0 to 1.
    func share() throws(DocumentError) -> Double {
        let value = try number()
        guard 0...1 ~= value else { throw fail("expected a share, from 0 to 1") }
        return value
    }

    func integer() throws(DocumentError) -> Int {
        guard let value = plain.flatMap({ Int($0) }) else { throw fail("expected a whole number, found \(kind)") }
        return value
    }

    /// A number that is not negative.
    func count() throws(DocumentError) -> Int {
        let value = try integer()
        guard value >= 0 else { throw fail("expected a number that is not negative, found \(value)") }
        return value
    }

    func bool() throws(DocumentError) -> Bool {
        switch plain {
        case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return true
        case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return false
        default: throw fail("expected true or false, found \(kind)")
        }
    }

    /// A share, from a text as "10 %" or "2.5%".
    func percentage() throws(DocumentError) -> Double {
        let text = try scalar()
        guard text.last == "%", let value = Double(text.dropLast().trimming()), value.isFinite, value >= 0 else {
            throw fail("expected a percentage, as \"10 %\", found \(kind)")
        }
        return value / 100
    }

    /// A text without quotes: only that can be a number, true, false or null.
    private var plain: String? {
        guard case .scalar(let text, isPlain: true) = node.content else { return nil }
        return text
    }

    private var isTruth: Bool { plain.map { ["true", "false"].contains($0.lowercased()) } ?? false }

    private var kind: String {
        switch node.content {
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .scalar(let text, _): isNull ? "null" : plain.flatMap(Double.init) != nil ? "the number \(text)" : isTruth ? text : "the text \"\(text)\""
        }
    }
}

extension Substring {
    fileprivate func trimming() -> String { String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
}

/// "a, b or c"
func list(_ parts: [String], _ last: String) -> String {
    parts.count < 2 ? parts.joined() : parts.dropLast().joined(separator: ", ") + " \(last) " + parts[parts.count - 1]
}

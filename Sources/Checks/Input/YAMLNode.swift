import CYaml

/// A node of a YAML text, with its place. JSON is YAML.
///
/// A reference: what an alias stands for is the node itself.
final class YAMLNode {
    enum Content {
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        /// In the order of the text.
        case mapping([(key: YAMLNode, value: YAMLNode)])
    }

    let content: Content
    /// Both from 1.
    let line: Int
    let column: Int

    private init(_ content: Content, _ mark: yaml_mark_t) {
        self.content = content
        (line, column) = (mark.line + 1, mark.column + 1)
    }

    /// What a text cannot be read for.
    struct Problem: Error {
        var cause: String
        var line: Int?
        var column: Int?

        init(_ cause: String, at mark: yaml_mark_t?) {
            self.cause = cause
            line = mark.map { $0.line + 1 }
            column = mark.map { $0.column + 1 }
        }
    }

    /// The one document of a text; nil if there is none.
    ///
    /// - Complexity: O(*n*), aliases included: they are not copied.
    static func parse(_ text: String) throws(Problem) -> YAMLNode? {
        var text = text
        var result = Result<YAMLNode?, Problem>.success(nil)
        text.withUTF8 { bytes in
            // A byte order mark is no part of the text, and libyaml, which is told the encoding, takes it for one.
            let bytes = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? UnsafeBufferPointer(rebasing: bytes.dropFirst(3)) : bytes
            do throws(Problem) { result = .success(try parse(bytes)) } catch { result = .failure(error) }
        }
        return try result.get()
    }

    /// How deep a text may be nested. No baseline or budget comes near it.
    private static let depthLimit = 200

    /// libyaml 0.2.5 takes time by the square of the depth. Brackets in quotes count as well: a text that has so many more opening than closing ones is
    /// no document of ours either.
    private static func isTooDeep(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var depth = 0
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): depth = max(0, depth - 1)
            default: continue
            }
            if depth > depthLimit { return true }
        }
        return false
    }

    private static func parse(_ bytes: UnsafeBufferPointer<UInt8>) throws(Problem) -> YAMLNode? {
        guard !isTooDeep(bytes) else { throw Problem("more than \(depthLimit) brackets are open at once", at: nil) }
        var parser = yaml_parser_t()
        guard yaml_parser_initialize(&parser) == 1 else { throw Problem("no memory to read it", at: nil) }
        defer { yaml_parser_delete(&parser) }
        yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(&parser, bytes.baseAddress, bytes.count)
        var document = yaml_document_t()
        guard yaml_parser_load(&parser, &document) == 1 else { throw problem(parser) }
        defer { yaml_document_delete(&document) }
        guard yaml_document_get_root_node(&document) != nil else { return nil }
        var maker = Maker(document: document)
        let root = try maker.node(1)
        var second = yaml_document_t()
        guard yaml_parser_load(&parser, &second) == 1 else { throw problem(parser) }
        defer { yaml_document_delete(&second) }
        if let next = yaml_document_get_root_node(&second) { throw Problem("a second document begins", at: next.pointee.start_mark) }
        return root
    }

    private static func problem(_ parser: yaml_parser_t) -> Problem {
        guard let problem = parser.problem else { return Problem("no memory to read it", at: nil) }
        let cause = "neither YAML nor JSON: \(String(cString: problem))"
        // The reader of bytes has no mark but an offset.
        if parser.error == YAML_READER_ERROR { return Problem("\(cause) at byte \(parser.problem_offset)", at: nil) }
        return Problem(cause, at: parser.problem_mark)
    }

    /// Makes nodes of libyaml's, which are numbered from 1.
    private struct Maker {
        let nodes: UnsafeMutablePointer<yaml_node_t>
        private var made: [YAMLNode?]
        private var isOpen: [Bool]
        private var depth = 0

        init(document: yaml_document_t) {
            nodes = document.nodes.start
            let count = document.nodes.top - document.nodes.start
            made = [YAMLNode?](repeating: nil, count: count + 1)
            isOpen = [Bool](repeating: false, count: count + 1)
        }

        mutating func node(_ number: Int) throws(Problem) -> YAMLNode {
            if let known = made[number] { return known }
            let node = nodes[number - 1]
            guard depth < YAMLNode.depthLimit else { throw Problem("nested more than \(YAMLNode.depthLimit) deep", at: node.start_mark) }
            guard !isOpen[number] else { throw Problem("an alias stands for what it is a part of", at: node.start_mark) }
            isOpen[number] = true
            depth += 1
            let content: Content
            switch node.type {
            case YAML_SEQUENCE_NODE:
                var elements: [YAMLNode] = []
                var item = node.data.sequence.items.start!
                while item < node.data.sequence.items.top {
                    elements.append(try self.node(Int(item.pointee)))
                    item += 1
                }
                content = .sequence(elements)
            case YAML_MAPPING_NODE:
                var pairs: [(key: YAMLNode, value: YAMLNode)] = []
                var names: Set<String> = []
                var pair = node.data.mapping.pairs.start!
                while pair < node.data.mapping.pairs.top {
                    let key = try self.node(Int(pair.pointee.key))
                    if case .scalar(let name, _) = key.content, !names.insert(name).inserted {
                        throw Problem("a key occurs twice: \(name)", at: nodes[Int(pair.pointee.key) - 1].start_mark)
                    }
                    pairs.append((key, try self.node(Int(pair.pointee.value))))
                    pair += 1
                }
                content = .mapping(pairs)
            default:
                let scalar = node.data.scalar
                content = .scalar(
                    String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
            }
            isOpen[number] = false
            depth -= 1
            let result = YAMLNode(content, node.start_mark)
            made[number] = result
            return result
        }
    }
}

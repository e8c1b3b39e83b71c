internal import CYAML

/// Reads one YAML document with libyaml.
///
/// Bounds: 16 levels, 20,000 nodes; the caller bounds the length of the text.
enum YAMLReader {
    static let maxDepth = 16
    static let maxNodes = 20_000

    /// The document's root, or nil for a text without any. Throws one problem with its place.
    static func read(_ text: [UInt8], file: String) throws(ConfigurationProblem) -> YAMLNode? {
        var parser = yaml_parser_t()
        guard yaml_parser_initialize(&parser) == 1 else {
            throw ConfigurationProblem(file: file, position: nil, message: "libyaml: out of memory")
        }
        defer { yaml_parser_delete(&parser) }
        // libyaml keeps the pointer, so that the whole reading happens within the array's closure.
        return try text.withUnsafeBufferPointer { bytes throws(ConfigurationProblem) -> YAMLNode? in
            yaml_parser_set_input_string(&parser, bytes.baseAddress, bytes.count)
            return try withUnsafeMutablePointer(to: &parser) { pointer throws(ConfigurationProblem) -> YAMLNode? in
                var builder = YAMLBuilder(parser: pointer, file: file)
                return try builder.document()
            }
        }
    }
}

/// Builds the tree out of libyaml's events.
private struct YAMLBuilder {
    let parser: UnsafeMutablePointer<yaml_parser_t>
    let file: String
    var nodes = 0

    enum Item {
        case streamStart, documentStart, documentEnd, streamEnd, sequenceEnd, mappingEnd
        case scalar(String, quoted: Bool)
        case sequenceStart, mappingStart
    }

    mutating func document() throws(ConfigurationProblem) -> YAMLNode? {
        var (item, position) = try next()
        guard case .streamStart = item else { throw problem("not a YAML stream", position) }
        (item, position) = try next()
        if case .streamEnd = item { return nil }
        guard case .documentStart = item else { throw problem("not a YAML document", position) }
        (item, position) = try next()
        let root = try node(item, position, depth: 0)
        (item, position) = try next()
        guard case .documentEnd = item else { throw problem("text behind the end of the document", position) }
        (item, position) = try next()
        guard case .streamEnd = item else { throw problem("more than one document in the file", position) }
        return root
    }

    mutating func node(_ item: Item, _ position: TextPosition, depth: Int) throws(ConfigurationProblem) -> YAMLNode {
        nodes += 1
        guard nodes <= YAMLReader.maxNodes else { throw problem("more than \(YAMLReader.maxNodes) values", position) }
        guard depth <= YAMLReader.maxDepth else { throw problem("more than \(YAMLReader.maxDepth) levels", position) }
        switch item {
        case .scalar(let text, let quoted): return .scalar(text, quoted: quoted, position)
        case .sequenceStart:
            var items: [YAMLNode] = []
            while true {
                let (item, at) = try next()
                if case .sequenceEnd = item { return .sequence(items, position) }
                items.append(try node(item, at, depth: depth + 1))
            }
        case .mappingStart:
            var entries: [YAMLNode.Entry] = []
            while true {
                let (item, at) = try next()
                if case .mappingEnd = item { return .mapping(entries, position) }
                guard case .scalar(let key, _) = item else { throw problem("a key must be a single word", at) }
                guard !entries.contains(where: { $0.key == key }) else {
                    throw problem("key '\(key)' stands twice in this section", at)
                }
                let (valueItem, valueAt) = try next()
                let value = try node(valueItem, valueAt, depth: depth + 1)
                entries.append(YAMLNode.Entry(key: key, keyPosition: at, value: value))
            }
        case .streamStart, .documentStart, .documentEnd, .streamEnd, .sequenceEnd, .mappingEnd:
            throw problem("a value is missing", position)
        }
    }

    mutating func next() throws(ConfigurationProblem) -> (Item, TextPosition) {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw parserProblem() }
        defer { yaml_event_delete(&event) }
        let position = TextPosition(line: Int(event.start_mark.line) + 1, column: Int(event.start_mark.column) + 1)
        switch event.type {
        case YAML_STREAM_START_EVENT: return (.streamStart, position)
        case YAML_DOCUMENT_START_EVENT: return (.documentStart, position)
        case YAML_DOCUMENT_END_EVENT: return (.documentEnd, position)
        case YAML_STREAM_END_EVENT: return (.streamEnd, position)
        case YAML_SEQUENCE_START_EVENT:
            try refuse(event.data.sequence_start.anchor, event.data.sequence_start.tag, position)
            return (.sequenceStart, position)
        case YAML_SEQUENCE_END_EVENT: return (.sequenceEnd, position)
        case YAML_MAPPING_START_EVENT:
            try refuse(event.data.mapping_start.anchor, event.data.mapping_start.tag, position)
            return (.mappingStart, position)
        case YAML_MAPPING_END_EVENT: return (.mappingEnd, position)
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            try refuse(scalar.anchor, scalar.tag, position)
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let text = String(decoding: bytes, as: UTF8.self)
            return (.scalar(text, quoted: scalar.style != YAML_PLAIN_SCALAR_STYLE), position)
        default: throw problem("aliases are not supported", position, "write the value itself")
        }
    }

    /// Neither an anchor nor a tag: what a tag makes of a value (`!!str 5`) its key decides here.
    func refuse(
        _ anchor: UnsafeMutablePointer<yaml_char_t>?, _ tag: UnsafeMutablePointer<yaml_char_t>?,
        _ position: TextPosition
    ) throws(ConfigurationProblem) {
        guard anchor == nil else { throw problem("anchors are not supported", position, "write the value alone") }
        guard let tag else { return }
        let name = String(cString: tag)
        let standard = "tag:yaml.org,2002:"
        let written = name.hasPrefix(standard) ? "!!" + name.dropFirst(standard.count) : name
        throw problem(
            "tags are not supported, and this value has '\(written)'", position,
            "write the value alone, a text in quotes")
    }

    func problem(
        _ message: String, _ position: TextPosition, _ suggestion: String? = nil
    ) -> ConfigurationProblem {
        ConfigurationProblem(file: file, position: position, message: message, suggestion: suggestion)
    }

    /// What libyaml says about a text that is no YAML.
    func parserProblem() -> ConfigurationProblem {
        let mark = parser.pointee.problem_mark
        let message = parser.pointee.problem.map { String(cString: $0) } ?? "no YAML"
        var context = ""
        if let text = parser.pointee.context { context = " (" + String(cString: text) + ")" }
        return ConfigurationProblem(
            file: file, position: TextPosition(line: Int(mark.line) + 1, column: Int(mark.column) + 1),
            message: "not valid YAML: " + message + context)
    }
}

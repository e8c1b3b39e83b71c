internal import JSON

/// A field of a contract's definition that is not what it was: what the contract is called,
/// or what its prices and sizes count. Pure.
struct DefinitionChange: Equatable {
    let field: String
    let old: String
    let new: String

    /// In the order in which they are told. Hours and the gateway's exchanges change every day and are none of these;
    /// the configured one tells that a source stands for another venue now.
    static let fields = [
        "symbol", "local_symbol", "trading_class", "sec_type", "currency", "multiplier", "size_multiplier", "min_size",
        "size_increment", "suggested_size_increment", "min_tick", "configured_exchange",
    ]

    /// What has changed from one definition to the next. A field that one of them leaves out or empty is no change:
    /// versions of gateways, and of ours, differ in what they tell.
    static func between(_ old: JSONValue, _ new: JSONValue) -> [DefinitionChange] {
        fields.compactMap { field in
            guard let before = text(old[field]), let after = text(new[field]), before != after else { return nil }
            return DefinitionChange(field: field, old: before, new: after)
        }
    }

    /// Such as `size_increment was 100, and is 1`.
    var text: String { "\(field) was \(old), and is \(new)" }

    private static func text(_ value: JSONValue?) -> String? {
        let text = value?.string ?? value?.integer.map { $0 == 0 ? "" : "\($0)" } ?? ""
        return text.isEmpty ? nil : text
    }
}

internal import Ticks

/// Which streams a command means: those whose names begin so. A whole name means that stream alone, not `265598.last@1`
/// by `265598.last` too; `265598@1` means all streams of a contract at one source.
struct StreamPrefix {
    let text: String
    private let whole: StreamID?
    private let contract: ContractID?

    init(_ text: String) {
        self.text = text
        whole = StreamID(text)
        contract = ContractID(text)
    }

    func takes(_ stream: StreamID) -> Bool {
        if let whole { return stream == whole }
        return text.isEmpty || stream.description.hasPrefix(text) || contract == stream.contract
    }

    /// What to subscribe to on the live feed; it may bring other streams too.
    var topics: [String] {
        if let whole { return [whole.topic] }
        if let contract, contract.source != 0 { return ["tick.\(contract)."] }
        let name = text.prefix { $0 != "@" }
        guard let dot = name.firstIndex(of: ".") else { return ["tick.\(name)"] }
        // Topics have the source in front of the kind.
        return ["tick.\(name)", "tick.\(name[..<dot])@"]
    }
}

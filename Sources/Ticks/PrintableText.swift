extension StringProtocol {
    /// The text as a terminal may show it: control characters, which a terminal would obey, and those that turn the
    /// direction of writing are written `\u001b` (four hexadecimal digits, as in JSON, which stays JSON by that).
    ///
    /// What gateways, files and clients say goes through this before a person sees it.
    ///
    /// - Parameter keepingLines: line ends and tabs stay.
    public func printable(keepingLines: Bool = false) -> String {
        func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
            switch scalar.value {
            case 0x09, 0x0A: keepingLines
            case 0x00...0x1F, 0x7F...0x9F, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: false
            default: true
            }
        }
        // Nearly always there is nothing to do.
        if unicodeScalars.allSatisfy(isHarmless) { return String(self) }
        var text = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            if isHarmless(scalar) {
                text.append(scalar)
            } else {
                let digits = String(scalar.value, radix: 16)
                text.append(
                    contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).unicodeScalars)
            }
        }
        return String(text)
    }
}

import Testing
import Ticks

@Suite struct PrintableTextTests {
    @Test(arguments: [
        ("plain", "plain"), ("", ""), ("Grüße \u{20AC} 価格", "Grüße \u{20AC} 価格"),
        ("\u{1B}[2J\u{7}", "\\u001b[2J\\u0007"), ("a\u{7F}b", "a\\u007fb"), ("\u{9B}31m", "\\u009b31m"),
        ("abc\u{202E}gpj.exe", "abc\\u202egpj.exe"), ("\u{2066}x\u{2069}", "\\u2066x\\u2069"), ("\0", "\\u0000"),
    ]) func whatATerminalWouldObeyIsWrittenOut(text: String, shown: String) {
        #expect(text.printable() == shown)
        #expect(text.printable(keepingLines: true) == shown)
    }

    @Test func linesStayWhereTheyAreWanted() {
        #expect("a\n\tb\r\n".printable(keepingLines: true) == "a\n\tb\\u000d\n")
        #expect("a\nb".printable() == "a\\u000ab")
    }
}

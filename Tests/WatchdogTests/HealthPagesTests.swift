import Foundation
import ServiceKit
import Testing

@testable import Watchdog

@Suite struct HealthPagesTests {
    /// At a port that nobody gets who does not ask for it by its number: below those that the system picks.
    private func aServerOfAQuietPort() throws -> HTTPServer {
        let range = try String(contentsOfFile: "/proc/sys/net/ipv4/ip_local_port_range", encoding: .utf8)
        let first = try #require(range.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) })
        for _ in 0..<100 {
            let port = UInt16(Int.random(in: max(1_024, first - 12_000)..<first))
            do throws(ProgramError) {
                return try HTTPServer(address: HTTPAddress(host: "127.0.0.1", port: port), board: Board())
            } catch { continue }
        }
        return try HTTPServer(address: HTTPAddress(host: "127.0.0.1", port: 0), board: Board())
    }

    @Test func aTakenPortIsSaidAndServedOnceItIsFree() throws {
        let other = try aServerOfAQuietPort()
        let board = Board()
        let pages = HealthPages(other.address, board: board)
        #expect(!pages.open())
        #expect(board.httpAddress == nil)
        #expect(board.httpFault?.contains("can't listen at \(other.address): Address already in use") == true)
        let thread = try SupervisedThread("http", fault: FirstFault()) { pages.run($0) }
        other.stop()
        let deadline = Date() + 60
        while board.httpAddress == nil, Date() < deadline { usleep(20_000) }
        #expect(board.httpAddress == other.address && board.httpFault == nil)
        thread.stop()
        pages.stop()
        try other.address.tryListening(for: "it", key: "watchdog.http")
    }
}

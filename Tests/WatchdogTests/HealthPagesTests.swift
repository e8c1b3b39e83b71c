import Foundation
import ServiceKit
import Testing

@testable import Watchdog

@Suite struct HealthPagesTests {
    @Test func aTakenPortIsSaidAndServedOnceItIsFree() throws {
        let other = try HTTPServer(address: HTTPAddress(host: "127.0.0.1", port: 0), board: Board())
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

import Glibc
import Testing

@testable import ServiceKit

@Suite struct DescriptorTests {
    @Test func tooFewAreRefusedWithTheFigure() throws {
        let configuration = Configuration()
        let needed = Descriptors.needed(configuration)
        #expect(needed > 128, "the messaging core keeps 128 for the process itself")
        try Descriptors.check(needed, suffices: configuration)
        do throws(ProgramError) {
            try Descriptors.check(needed - 1, suffices: configuration)
            Issue.record("taken")
        } catch {
            #expect(error.status == .configuration)
            #expect(
                error.description.contains("\(needed - 1) file descriptors") && error.description.contains("\(needed)"))
        }
    }

    @Test func theSoftLimitIsRaisedToTheHardOne() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 64, rlim_max: 1024)
            precondition(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
            precondition(Descriptors.takeAll() == 1024)
        }
    }
}

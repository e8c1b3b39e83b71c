import Testing

@testable import ServiceKit

@Suite struct FaultPointTests {
    @Test func withoutTheVariableNothingHappens() {
        FaultPoint(environment: [:]).reach("seal.after_rename")
        for text in ["", ":", "seal.after_rename:0", "seal.after_rename:-1", "seal.after_rename:x", "seal"] {
            FaultPoint(environment: ["IB_STREAM_FAULT": text]).reach("seal.after_rename")
        }
    }

    @Test func theNamedPlaceEndsTheProcess() async {
        await #expect(processExitsWith: .signal(9)) {
            let point = FaultPoint(environment: ["IB_STREAM_FAULT": "seal.after_rename"])
            point.reach("seal.before_rename")
            point.reach("seal.after_rename")
        }
    }

    @Test func theCountSaysWhichTime() async {
        await #expect(processExitsWith: .success) {
            let point = FaultPoint(environment: ["IB_STREAM_FAULT": "seal.after_rename:3"])
            point.reach("seal.after_rename")
            point.reach("seal.after_rename")
        }
        await #expect(processExitsWith: .signal(9)) {
            let point = FaultPoint(environment: ["IB_STREAM_FAULT": "seal.after_rename:2"])
            point.reach("seal.after_rename")
            point.reach("seal.after_rename")
        }
    }
}

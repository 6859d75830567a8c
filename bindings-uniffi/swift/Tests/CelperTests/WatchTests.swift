import Foundation
import Testing

@testable import Celper

@Suite(.timeLimit(.minutes(5))) struct WatchTests {
    let sandbox = Sandbox.shared
    let client: Celper

    init() throws { client = try Sandbox.shared.client() }

    @Test func aWaitGivesTheStateAndItsErrorTheLastOne() async throws {
        let candidate = try await sandbox.candidate("interviewed")
        let state = try await client.waitForStatus(
            candidate, jobPositionId: "pos_1", until: [.failed, .interviewed], timeout: nil)
        #expect(state.status == .interviewed && state.record?.attempts.count == 1)
        let timeout = await expectError {
            try await client.waitForStatus(
                candidate, jobPositionId: "pos_1", until: [.unknown("on_hold")], timeout: .milliseconds(1500))
        }
        #expect(timeout?.kind == .timeout && timeout?.lastState?.status == .interviewed)
        let empty = await expectError { try await client.waitForStatus(candidate, jobPositionId: "pos_1", until: []) }
        #expect(empty?.kind == .invalidArgument && empty?.operation == "status")
    }

    @Test func cancellingAWaitOrAWatchEndsIt() async throws {
        let (first, second) = (try await sandbox.slowCandidate(), try await sandbox.slowCandidate())
        let client = client
        let wait = Task { _ = try await client.waitForStatus(first, jobPositionId: "pos_1", until: [.selected]) }
        let watch = Task { for try await _ in client.watchCandidates([second], jobPositionId: "pos_1") {} }
        for (candidate, task) in [(first, wait), (second, watch)] {
            try await sandbox.waitForRequest(candidate)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            try await sandbox.expectCancelled(candidate)
        }
    }

    @Test func aWatchGivesEachCandidatesStateAndAnErrorForOneThatDoesNotExist() async throws {
        let candidate = try await sandbox.candidate("invited")
        var items: [WatchItem] = []
        for try await item in client.watchCandidates(["nobody"], jobPositionId: "pos_1") { items.append(item) }
        #expect(items.map(\.candidateId) == ["nobody"] && items[0].error?.kind == .notFound && items[0].state == nil)
        for try await item in client.watchCandidates([candidate], jobPositionId: "pos_1") {
            #expect(item.state?.status == .invited && item.previousStatus == nil)
            break
        }
        let client = client
        let invalid = await expectError {
            for try await _ in client.watchCandidates([""], jobPositionId: "pos_1") {}
            return "no error"
        }
        #expect(invalid?.kind == .invalidArgument)
    }
}

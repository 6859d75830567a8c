import CelperSandbox
import Foundation
import Testing

@testable import Celper

@Suite(.timeLimit(.minutes(5))) struct BatchTests {
    let sandbox = Sandbox.shared
    let client: Celper

    init() throws { client = try Sandbox.shared.client() }

    private func invite(_ candidate: String) -> CandidateRequest {
        .invite(InviteRequest(candidate, jobPositionId: "pos_1"))
    }

    private func journal() -> String { NSTemporaryDirectory() + "celper-\(UUID().uuidString).jsonl" }

    @MainActor @Test func eachOperationGivesItsResult() async throws {
        let ready = try await sandbox.candidate("interviewed", analysisViewed: true)
        let other = try await sandbox.candidate("interviewed", analysisViewed: true)
        let requests = [
            invite(try await sandbox.candidate()), .select(SelectRequest(ready, jobPositionId: "pos_1")),
            .reject(RejectRequest(other, jobPositionId: "pos_1", idempotencyKey: "swift-\(other)")),
            .status(StatusRequest("nobody", jobPositionId: "pos_1", maxRetries: 0)),
            .status(StatusRequest(other, jobPositionId: "pos_1", timeout: .seconds(-1))),
        ]
        let batch = client.batch(requests)
        #expect(batch.progress.total == 5 && batch.progress.done == 0)
        var items: [BatchItem] = []
        for try await item in batch { items.append(item) }
        items.sort { $0.index < $1.index }
        #expect(items.map(\.request) == requests)
        guard case .success(.invitation(let invitation)) = items[0].result else { throw items[0].error! }
        #expect(invitation.invited && items[0].idempotencyKey != nil)
        guard case .success(.decision(let decision)) = items[1].result else { throw items[1].error! }
        #expect(decision.status == .selected && items[2].idempotencyKey == "swift-\(other)")
        #expect(items[3].error?.kind == .notFound && items[4].error?.kind == .invalidArgument)
        #expect(items[4].error?.operation == "status")
        let progress = batch.progress
        #expect((progress.done, progress.succeeded, progress.failed) == (5, 3, 2) && progress.eta == .zero)
    }

    @Test func anySequenceIsReadAsItIsNeeded() async throws {
        let ids = try await [sandbox.candidate(), sandbox.candidate()]
        let lazily = ids.lazy.map { CandidateRequest.status(StatusRequest($0, jobPositionId: "pos_1")) }
        var indexes: [Int] = []
        for try await item in client.batch(lazily) { indexes.append(item.index) }
        let (stream, source) = AsyncStream.makeStream(of: CandidateRequest.self)
        source.yield(.status(StatusRequest(ids[0], jobPositionId: "pos_1")))
        var isFirst = true
        for try await item in client.batch(stream) {
            indexes.append(item.index)
            // An item does not wait for the next request.
            if isFirst { source.yield(.status(StatusRequest(ids[1], jobPositionId: "pos_1"))) }
            isFirst = false
            if item.index == 1 { source.finish() }
        }
        #expect(indexes.sorted() == [0, 0, 1, 1])
    }

    @Test func leavingEarlyStartsNothingMoreAndLetsRequestsUnderWayFinish() async throws {
        let slow = try await sandbox.slowCandidate(1)
        let fast = try await sandbox.candidate()
        let (stream, source) = AsyncStream.makeStream(of: CandidateRequest.self)
        let (ended, ending) = AsyncStream.makeStream(of: Void.self)
        source.onTermination = { _ in ending.finish() }
        source.yield(invite(slow))
        source.yield(invite(fast))
        let journal = journal()
        let batch = client.batch(stream, journal: journal)
        for try await item in batch {
            #expect(item.request.candidateId == fast)
            try await sandbox.waitForRequest(slow)
            break
        }
        // The source's task is cancelled.
        for await _ in ended {}
        await batch.leave()
        #expect(try await sandbox.requests(slow).allSatisfy { $0.answered != nil && !$0.clientClosed })
        for try await item in client.batch([invite(slow), invite(fast)], journal: journal) {
            #expect(item.resumed && item.error == nil)
        }
        #expect(try await sandbox.requests(slow).count == 1)
    }

    @Test func cancellingTheTaskDropsTheRequestsAndTheJournalKnowsOfThem() async throws {
        let candidate = try await sandbox.candidate()
        try await sandbox.fault(candidate, .delay(.seconds(600)))
        let (client, requests, journal) = (client, [invite(candidate)], journal())
        let task = Task {
            for try await item in client.batch(requests, batchId: "spring", journal: journal) {
                Issue.record("an item: \(item)")
            }
        }
        try await sandbox.waitForRequest(candidate)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        try await sandbox.expectCancelled(candidate)
        // The journal is closed already.
        var keys: [String?] = []
        for try await item in client.batch(requests, batchId: "spring", journal: journal) {
            #expect(item.error == nil)
            keys.append(item.idempotencyKey)
        }
        #expect(try await sandbox.requests(candidate).map { $0.headers["idempotency-key"] } == keys + keys)
    }

    @Test func whatTheSourceThrowsFollowsTheLastItem() async throws {
        struct Unreadable: Error {}
        let candidate = try await sandbox.candidate()
        let request = CandidateRequest.status(StatusRequest(candidate, jobPositionId: "pos_1"))
        let source = AsyncThrowingStream<CandidateRequest, any Error> { continuation in
            continuation.yield(request)
            continuation.finish(throwing: Unreadable())
        }
        var items: [BatchItem] = []
        await #expect(throws: Unreadable.self) {
            for try await item in client.batch(source) { items.append(item) }
        }
        #expect(items.map(\.request) == [request])
    }

    @Test func aBatchRunsOnceAndNotAfterStop() async throws {
        let candidate = try await sandbox.candidate()
        let batch = client.batch([invite(candidate)])
        batch.stop()
        for try await item in batch { Issue.record("an item: \(item)") }
        #expect(try await sandbox.requests(candidate).isEmpty)
        let (again, unnamed) = (batch, client.batch([invite(candidate)], batchId: ""))
        let errors = [
            await expectError { try await again.first { _ in true } as Any },
            await expectError { try await unnamed.first { _ in true } as Any },
        ]
        #expect(errors.map { $0?.kind } == [.invalidArgument, .invalidArgument])
        #expect(errors[0]?.message.contains("create another batch") == true)
    }

    @Test func aRequestDoesNotShowItsEmail() {
        let request = CandidateRequest.invite(InviteRequest("c", jobPositionId: "p", emailBody: "secret"))
        #expect(!"\(request)".contains("secret") && "\(request)".contains(#"InviteRequest("c""#))
    }
}

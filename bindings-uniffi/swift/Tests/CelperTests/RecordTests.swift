import CelperSandbox
import Foundation
import Testing

@testable import Celper

@Suite(.timeLimit(.minutes(5))) struct RecordTests {
    let sandbox = Sandbox.shared

    @Test func resultsAndErrorsHaveTheRecordOfTheirCall() async throws {
        let client = try sandbox.client()
        let candidate = try await sandbox.candidate()
        try await sandbox.fault(candidate, .status(503).times(1))
        let state = try await client.getCandidateStatus(candidate, jobPositionId: "pos_1")
        let record = try #require(state.record)
        #expect(record.attempts.map(\.status) == [503, 200] && record.attempts.map(\.errorKind) == [.server, nil])
        #expect(record.waits.map(\.reason) == ["retry"] && record.duration >= record.waits[0].duration)
        #expect(record.description.split(separator: "\n").count == 4)
        let decoded = try JSONDecoder().decode(CandidateState.self, from: JSONEncoder().encode(state))
        #expect(decoded == state && decoded.hashValue == state.hashValue && decoded.record == nil)
        let missing = await expectError { try await client.getCandidateStatus("nobody", jobPositionId: "pos_1") }
        #expect(missing?.record?.attempts.map(\.errorKind) == [.notFound])
        for try await item in client.batch([.status(StatusRequest("nobody", jobPositionId: "pos_1"))]) {
            #expect(item.error?.record?.attempts.count == 1)
        }
    }

    @TaskLocal static var task = ""

    @Test func eachCallThatEndsIsAnEventInTheCallersTask() async throws {
        final class Events: @unchecked Sendable {
            let lock = NSLock()
            var lines: [String] = []
        }
        let events = Events()
        let client = try Celper(
            apiKey: sandbox.apiKey, baseURL: sandbox.baseURL, rateLimits: nil,
            onEvent: { event in
                let line = "\(Self.task) \(event.operation) \(event.record?.attempts.count ?? 0)"
                events.lock.withLock { events.lines.append("\(line) \(event.error.map { "\($0.kind)" } ?? "ok")") }
            })
        let candidate = try await sandbox.candidate()
        try await Self.$task.withValue("mine") {
            _ = try await client.inviteCandidate(candidate, jobPositionId: "pos_1")
            _ = await expectError { try await client.getCandidateStatus("nobody", jobPositionId: "pos_1") }
            for try await _ in client.batch([.status(StatusRequest(candidate, jobPositionId: "pos_1"))]) {}
        }
        #expect(events.lines == ["mine invite 1 ok", "mine status 1 notFound", "mine status 1 ok"])
        events.lock.withLock { events.lines = [] }
        // Each read of a wait or a watch, and the error of a wait that is none of theirs.
        try await sandbox.fault(candidate, .status(503).times(1))
        try await Self.$task.withValue("mine") {
            for (id, timeout) in [(candidate, Duration.milliseconds(1500)), ("nobody", .seconds(60))] {
                _ = await expectError {
                    try await client.waitForStatus(id, jobPositionId: "pos_1", until: [.failed], timeout: timeout)
                }
            }
            for try await _ in client.watchCandidates(["nobody"], jobPositionId: "pos_1") {}
            for try await _ in client.watchCandidates([candidate], jobPositionId: "pos_1") { break }
        }
        let told = ["1 server", "0 timeout", "1 notFound", "1 notFound", "1 ok"].map { "mine status \($0)" }
        #expect(events.lines == told)
    }
}

import CelperSandbox
import Foundation
import Testing

@testable import Celper

/// Invalid input, heavy load, and cancellation and closing at any moment.
@Suite(.timeLimit(.minutes(5))) struct RobustnessTests {
    let sandbox = Sandbox.shared
    let client: Celper

    init() throws { client = try Sandbox.shared.client() }

    func clientWith(_ provider: @escaping KeyProvider) throws -> Celper {
        try Celper(keyProvider: provider, baseURL: sandbox.baseURL)
    }

    @Test func textsOfManyMegabytesAreSentOrRejected() async throws {
        let huge = String(repeating: "é", count: 10_000_000)
        let id = await expectError { try await client.getCandidateStatus(huge, jobPositionId: "p") }
        let body = await expectError { try await client.inviteCandidate("huge", jobPositionId: "p", emailBody: huge) }
        let key = await expectError { try Celper(apiKey: huge) }
        #expect([id, body, key].allSatisfy { $0?.kind == .invalidArgument })
        let largeKey = String(repeating: "k", count: 1_000_000)
        let providerClient = try clientWith { largeKey }
        let error = await expectError {
            try await providerClient.getCandidateStatus("huge", jobPositionId: "p", maxRetries: 0)
        }
        #expect(error.map { $0.description.count < 1_000 } == true, "the description contains the key")
    }

    @Test func aNULIsRejectedEverywhere() async throws {
        let id = await expectError { try await client.selectCandidate("nul", jobPositionId: "p\0") }
        let key = await expectError {
            try await client.rejectCandidate("nul", jobPositionId: "p", idempotencyKey: "k\0")
        }
        let secret = await expectError { try Celper(apiKey: "celp_x\0") }
        let body = await expectError {
            try await client.inviteCandidate("nul", jobPositionId: "pos_1", emailBody: "a\0b")
        }
        #expect([id, key, secret, body].allSatisfy { $0?.kind == .invalidArgument })
        #expect(try await sandbox.requests("nul").isEmpty)
    }

    @Test func anInvalidKeyIsNeverSent() async throws {
        for key in ["", " ", "celp_hunter2\r\nX-Evil: 1", "celp_hunter2\0", "hunter2ключ"] {
            let providerClient = try clientWith { key }
            let error = await expectError { try await providerClient.getCandidateStatus("no-key", jobPositionId: "p") }
            #expect(error?.kind == .authentication)
            var dumped = ""
            dump(error, to: &dumped)
            #expect(!dumped.contains("hunter2"))
        }
        #expect(try await sandbox.requests("no-key").isEmpty)
    }

    @Test func aProviderThatNeverReturnsIsStoppedByTheCallsTimeout() async throws {
        let providerClient = try clientWith {
            try await Task.sleep(for: .seconds(600))
            return "late"
        }
        let failed = await expectError {
            try await providerClient.getCandidateStatus("c", jobPositionId: "p", timeout: .milliseconds(100))
        }
        #expect(failed?.kind == .timeout && failed?.attempts == 0)
    }

    @Test func aProviderThatThrowsCancellationErrorDoesNotCancelTheCall() async throws {
        let providerClient = try clientWith { throw CancellationError() }
        let failed = await expectError { try await providerClient.getCandidateStatus("c", jobPositionId: "p") }
        #expect(failed?.kind == .authentication && failed?.underlyingError is CancellationError)
    }

    @Test func aProviderMayMakeCalls() async throws {
        let (inner, outer) = (try await sandbox.candidate(), try await sandbox.candidate())
        let (client, key) = (client, sandbox.apiKey)
        let nested = try clientWith {
            _ = try await client.getCandidateStatus(inner, jobPositionId: "pos_1")
            return key
        }
        #expect(try await nested.getCandidateStatus(outer, jobPositionId: "pos_1").status == .new)
    }

    @Test func hundredsOfCallsWaitWithoutBlockingThreadsAndCanBeCancelledTogether() async throws {
        let candidate = try await sandbox.slowCandidate()
        // Four clients, because each uses at most 128 connections at a time.
        let clients = try (0..<4).map { _ in try sandbox.client() }
        let calls = (0..<400).map { turn in
            Task { try await clients[turn % 4].getCandidateStatus(candidate, jobPositionId: "pos_1") }
        }
        // The responses take 10 minutes, and Swift has only as many threads as there are cores.
        try await sandbox.eventually("400 requests wait") { try await sandbox.requests(candidate).count == 400 }
        for call in calls { call.cancel() }
        var cancelled = 0
        for call in calls {
            if case .failure(let error) = await call.result, error is CancellationError { cancelled += 1 }
        }
        #expect(cancelled == 400)
        try await sandbox.eventually("400 connections are closed") {
            try await sandbox.requests(candidate).allSatisfy { $0.clientClosed }
        }
        #expect(try await sandbox.requests(candidate).count == 400)
    }

    @Test func eachOfThousandsOfConcurrentCallsGetsItsOwnResponse() async throws {
        let candidate = try await sandbox.candidate()
        let client = client
        let ids = try await withThrowingTaskGroup(of: String?.self) { group in
            for _ in 0..<3_000 {
                group.addTask { try await client.getCandidateStatus(candidate, jobPositionId: "pos_1").requestId }
            }
            return try await group.reduce(into: Set<String?>()) { $0.insert($1) }
        }
        #expect(ids.count == 3_000)
    }

    @Test func closingAClientDuringManyCallsGivesEachAResultOrAnErrorThatSaysSo() async throws {
        let candidate = try await sandbox.candidate()
        let closing = try sandbox.client()
        await withTaskGroup(of: Void.self) { group in
            for turn in 0..<300 {
                group.addTask {
                    if turn == 150 { closing.close() }
                    do {
                        #expect(try await closing.getCandidateStatus(candidate, jobPositionId: "pos_1").status == .new)
                    } catch {
                        let saysClosed = (error as? CelperError)?.message.contains("closed") == true
                        #expect(saysClosed, "\(error)")
                    }
                }
            }
        }
    }

    @Test func aResponseWithHugeNumbersInItsHeadersIsStillRead() async throws {
        let most = "18446744073709551615"
        let headers: [String: JSON] = [
            "X-RateLimit-Limit": .string(most), "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": .string(most),
        ]
        let data = #"{"status":"new","analysisViewed":false,"interviewScore":1e308}"#
        let body = #"{"success":true,"requestId":"r","data":\#(data)}"#
        let candidate = try await sandbox.candidate()
        try await sandbox.fault(candidate, .status(200, headers: headers, body: body))
        let state = try await client.getCandidateStatus(candidate, jobPositionId: "pos_1")
        #expect(state.rateLimit == RateLimit(limit: .max, remaining: 0, resetAt: nil))
        try await sandbox.fault(candidate, .status(429, headers: ["Retry-After": .string(most)]))
        let limited = await expectError { try await client.getCandidateStatus(candidate, jobPositionId: "pos_1") }
        #expect(limited?.retryAfter.map { $0 > .seconds(3600) && $0.description.isEmpty == false } == true)
    }

    @Test func noPartOfAClientOrItsErrorsContainsTheKey() async throws {
        let secret = "celp_hunter2hunter2hunter2"
        func parts(_ value: Any, _ depth: Int = 0) -> String {
            let children = depth > 6 ? [] : Mirror(reflecting: value).children.map { parts($0.value, depth + 1) }
            return "\(value) \(String(reflecting: value)) " + children.joined(separator: " ")
        }
        let client = try Celper(apiKey: secret, baseURL: sandbox.baseURL, proxy: nil)
        let failed = try #require(await expectError { try await client.getCandidateStatus("c", jobPositionId: "p") })
        let text = parts(client) + parts(failed) + failed.localizedDescription
        #expect(text.contains("authentication") && text.contains(sandbox.baseURL) && !text.contains("hunter2"))
    }
}

import CelperSandbox
import Foundation
import Testing

@testable import Celper

@Suite(.timeLimit(.minutes(5))) struct OperationsTests {
    let sandbox = Sandbox.shared
    let client: Celper

    init() throws { client = try Sandbox.shared.client() }

    @Test func statusInviteSelectAndReject() async throws {
        let candidate = try await sandbox.candidate()
        let invitation = try await client.inviteCandidate(
            candidate, jobPositionId: "pos_1", emailSubject: "Hello", emailBody: "{interviewLink}")
        #expect(invitation.invited && !invitation.sessionId.isEmpty && invitation.emailDelivery == "pending")
        #expect(invitation.expiresAt > Date(timeIntervalSinceNow: 6 * 86_400))
        let sent = try #require(try await sandbox.requests(candidate).first)
        #expect(sent.body?.contains(#""emailSubject":"Hello""#) == true)
        #expect(sent.headers["user-agent"]?.hasPrefix("celper-swift/") == true)

        let ready = try await sandbox.candidate("interviewed", analysisViewed: true)
        let state = try await client.getCandidateStatus(ready, jobPositionId: "pos_1")
        #expect(state.status == .interviewed && state.analysisViewed && state.interviewScore == 85)
        #expect(state.requestId?.isEmpty == false)
        #expect(try await client.selectCandidate(ready, jobPositionId: "pos_1").status == .selected)
        let other = try await sandbox.candidate("interviewed", analysisViewed: true)
        #expect(try await client.rejectCandidate(other, jobPositionId: "pos_1").status == .rejected)
    }

    @Test func anUnknownStatusIsPassedThrough() async throws {
        let candidate = try await sandbox.candidate("on_hold")
        #expect(try await client.getCandidateStatus(candidate, jobPositionId: "pos_1").status == .unknown("on_hold"))
        #expect(CandidateStatus.known.count == 8)
        #expect(CandidateStatus.known.allSatisfy { CandidateStatus(rawValue: $0.rawValue) == $0 })
    }

    @Test func resultsCompareByValueAndContainTheRateLimit() async throws {
        let candidate = try await sandbox.candidate()
        let headers: [String: JSON] = [
            "X-Request-Id": "r", "X-RateLimit-Limit": 40, "X-RateLimit-Remaining": 39,
            "X-RateLimit-Reset": 1_800_000_000,
        ]
        let data: JSON = ["status": "new", "analysisViewed": false, "interviewScore": nil]
        let body: JSON = ["success": true, "requestId": "r", "data": data]
        try await sandbox.fault(candidate, .status(200, headers: headers, json: body).times(2))
        let one = try await client.getCandidateStatus(candidate, jobPositionId: "pos_1")
        let two = try await client.getCandidateStatus(candidate, jobPositionId: "pos_1")
        #expect(one == two && one.interviewScore == nil)
        let reset = Date(timeIntervalSince1970: 1_800_000_000)
        #expect(one.rateLimit == RateLimit(limit: 40, remaining: 39, resetAt: reset))
    }

    @Test func errorResponsesBecomeErrorsWithAReadableDescription() async throws {
        let missing = await expectError { try await client.getCandidateStatus("nobody", jobPositionId: "pos_1") }
        #expect(missing?.kind == .notFound && missing?.status == 404 && missing?.code == "NOT_FOUND")
        #expect(missing?.attempts == 1 && missing?.operation == "status")
        #expect(missing?.localizedDescription.contains("HTTP 404 NOT_FOUND") == true)
        #expect(missing.map { "\($0)" } == missing?.localizedDescription)
        let interviewed = try await sandbox.candidate("interviewed")
        let notViewed = await expectError { try await client.selectCandidate(interviewed, jobPositionId: "pos_1") }
        #expect(notViewed?.kind == .analysisNotViewed)
        let invalidStatus = await expectError { try await client.inviteCandidate(interviewed, jobPositionId: "pos_1") }
        #expect(invalidStatus?.kind == .invalidStatus && invalidStatus?.idempotencyKey != nil)
        let other = try await sandbox.candidate()
        _ = try await client.inviteCandidate(other, jobPositionId: "pos_1", idempotencyKey: "key-\(other)")
        let conflict = await expectError {
            try await client.inviteCandidate(
                other, jobPositionId: "pos_1", emailSubject: "x", idempotencyKey: "key-\(other)")
        }
        #expect(conflict?.kind == .idempotencyConflict)
        let unknownKey = try Celper(apiKey: "celp_00000000000000000000000000000000", baseURL: sandbox.baseURL)
        let denied = await expectError { try await unknownKey.getCandidateStatus(other, jobPositionId: "pos_1") }
        #expect(denied?.kind == .authentication)
    }

    @Test(arguments: [
        (Fault.status(400), CelperError.Kind.invalidRequest, false),
        (.status(403), .permissionDenied, false),
        (.status(409, json: ["success": false, "error": "ACTIVE_SESSION"]), .conflict, false),
        (.status(429, headers: ["Retry-After": 7]), .rateLimited, false),
        (.status(503), .server, true),
        (.close(), .connection, true),
        (.notJSON(), .unexpectedResponse, true),
        (.delay(.seconds(600)), .timeout, true),
    ])
    func eachFailureHasItsKind(fault: Fault, kind: CelperError.Kind, outcomeUnknown: Bool) async throws {
        let candidate = try await sandbox.candidate()
        try await sandbox.fault(candidate, fault)
        let error = await expectError {
            // Long enough to send the request on a slow machine.
            try await client.inviteCandidate(candidate, jobPositionId: "pos_1", timeout: .seconds(8), maxRetries: 0)
        }
        #expect(error?.kind == kind && error?.outcomeUnknown == outcomeUnknown)
        if kind == .rateLimited { #expect(error?.retryAfter == .seconds(7)) }
    }

    @Test func aFailedAttemptIsRetriedWithTheSameIdempotencyKey() async throws {
        let candidate = try await sandbox.candidate()
        try await sandbox.fault(candidate, .status(503).times(2))
        _ = try await client.inviteCandidate(candidate, jobPositionId: "pos_1")
        let keys = try await sandbox.requests(candidate).map { $0.headers["idempotency-key"] }
        #expect(keys.count == 3 && Set(keys).count == 1 && keys[0] != nil)
    }

    @Test func anInvalidArgumentIsRejectedWithItsName() async throws {
        for timeout in [Duration.zero, .seconds(-1), .nanoseconds(-1), .seconds(Int64.max), .seconds(Int64.min)] {
            let error = await expectError {
                try await client.getCandidateStatus("invalid", jobPositionId: "p", timeout: timeout)
            }
            if timeout < .seconds(1) {
                #expect(error?.kind == .invalidArgument && error?.message.contains("timeout") == true)
                #expect(await expectError { try Celper(apiKey: "x", timeout: timeout) }?.kind == .invalidArgument)
                let limits = RateLimits(window: timeout)
                #expect(await expectError { try Celper(apiKey: "x", rateLimits: limits) }?.kind == .invalidArgument)
            }
        }
        let negative = await expectError {
            try await client.getCandidateStatus("invalid", jobPositionId: "p", maxRetries: -1)
        }
        #expect(negative?.kind == .invalidArgument)
        let limits = await expectError { try Celper(apiKey: "x", rateLimits: RateLimits(reads: -1)) }
        #expect(limits?.kind == .invalidArgument)
        let empty = await expectError { try await client.getCandidateStatus("", jobPositionId: "p") }
        #expect(empty?.kind == .invalidArgument)
        let refused = await expectError { try Celper(apiKey: "x", baseURL: "http://10.0.2.2") }
        #expect(refused?.operation == "client" && refused?.message.contains("baseURL") == true)
    }

    @Test func httpIsAllowedToListedPrivateHosts() async throws {
        let hosts = ["sandbox", "10.0.2.2"]
        for host in hosts {
            let client = try Celper(apiKey: "x", baseURL: "http://\(host):8787", allowHttpHosts: hosts)
            #expect(client.baseURL == "http://\(host):8787")
        }
        let other = await expectError { try Celper(apiKey: "x", baseURL: "http://other", allowHttpHosts: hosts) }
        #expect(other?.kind == .invalidArgument)
        let notPrivate = await expectError { try Celper(apiKey: "x", allowHttpHosts: ["api.celper.ai"]) }
        #expect(notPrivate?.message.contains("allowHttpHosts") == true)
    }

    @Test func theBaseURLsPathIsKept() async throws {
        let client = try Celper(apiKey: sandbox.apiKey, baseURL: sandbox.baseURL + "/gateway/hr/")
        _ = await expectError { try await client.getCandidateStatus("prefixed", jobPositionId: "pos_1") }
        #expect(try await sandbox.requests().contains { $0.path == "/gateway/hr/v1/candidates/prefixed/status" })
    }

    @Test func noTextContainsTheKey() async throws {
        let secret = "celp_hunter2hunter2hunter2"
        let client = try Celper(apiKey: secret, baseURL: sandbox.baseURL)
        let denied = await expectError { try await client.getCandidateStatus("c", jobPositionId: "p") }
        let invalid = await expectError { try Celper(apiKey: secret + "\n") }
        var dumped = ""
        dump(client, to: &dumped)
        dump(denied, to: &dumped)
        dump(invalid, to: &dumped)
        #expect(!"\(client) \(String(reflecting: client)) \(dumped)".contains("hunter2"))
    }
}

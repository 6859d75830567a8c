import Bench
import Celper

struct CelperCalls: Calls {
    let client: Celper

    init(baseURL: String, paced: Bool) throws {
        // Clients with the same key share their pacing, so the paced client has another key.
        client = try Celper(
            apiKey: paced ? "celp_11111111111111111111111111111111" : "celp_0123456789abcdef0123456789abcdef",
            baseURL: baseURL,
            rateLimits: paced ? RateLimits(reads: 100_000_000, actions: 100_000_000, total: 200_000_000) : nil,
            rateLimitStore: "process")
    }

    func status(_ candidate: String) async throws -> State {
        let state = try await client.getCandidateStatus(candidate, jobPositionId: "pos_abc123")
        return State(
            status: state.status.rawValue, analysisViewed: state.analysisViewed, interviewScore: state.interviewScore,
            requestId: state.requestId)
    }

    func invite(_ candidate: String, emailBody: String) async throws -> Bench.Invitation {
        let sent = try await client.inviteCandidate(candidate, jobPositionId: "pos_abc123", emailBody: emailBody)
        return Bench.Invitation(
            invited: sent.invited, sessionId: sent.sessionId, emailDelivery: sent.emailDelivery,
            expiresAt: sent.expiresAt)
    }

    func select(_ candidate: String) async throws -> String {
        try await client.selectCandidate(candidate, jobPositionId: "pos_abc123").status.rawValue
    }

    func reject(_ candidate: String) async throws -> String {
        try await client.rejectCandidate(candidate, jobPositionId: "pos_abc123").status.rawValue
    }

    func missing(_ candidate: String) async throws -> ErrorFields {
        do {
            throw Unexpected(try await status(candidate))
        } catch let error as CelperError where error.kind == .notFound {
            return ErrorFields(status: error.status, code: error.code, requestId: error.requestId)
        }
    }
}

try await work(CelperCalls.init)

import Celper
import Foundation
import Testing

/// The app's own type, of the same name as one of the package's.
private struct Invitation { let guest: String }

/// What an app passes where a client belongs.
private struct FakeActions: CandidateActions {
    func getCandidateStatus(
        _ candidateId: String, jobPositionId: String, timeout: Duration?, maxRetries: Int?
    ) async throws -> CandidateState { CandidateState(status: .interviewed, analysisViewed: true, interviewScore: 85) }

    func inviteCandidate(
        _ candidateId: String, jobPositionId: String, emailSubject: String?, emailBody: String?,
        idempotencyKey: String?, timeout: Duration?, maxRetries: Int?
    ) async throws -> Celper.Invitation {
        Celper.Invitation(
            invited: true, sessionId: "sess_1", emailDelivery: "pending", expiresAt: Date(timeIntervalSince1970: 0))
    }

    func selectCandidate(
        _ candidateId: String, jobPositionId: String, idempotencyKey: String?, timeout: Duration?, maxRetries: Int?
    ) async throws -> Decision { Decision(status: .selected) }

    func rejectCandidate(
        _ candidateId: String, jobPositionId: String, idempotencyKey: String?, timeout: Duration?, maxRetries: Int?
    ) async throws -> Decision { throw CelperError(kind: .notFound, message: "no such candidate", status: 404) }
}

@Suite struct NamesTests {
    @Test func anAppsOwnInvitationAndAFakeClient() async throws {
        let fake: any CandidateActions = FakeActions()
        let invitation = try await fake.inviteCandidate("cand_1", jobPositionId: "pos_1")
        #expect(Invitation(guest: invitation.sessionId).guest == "sess_1")
        let error = await expectError { try await fake.rejectCandidate("cand_1", jobPositionId: "pos_1") }
        #expect(error?.kind == .notFound && error?.status == 404)
    }

    @Test func everyPublicTypeIsAMemberOfTheClient() throws {
        let sources = URL(filePath: #filePath).appending(path: "../../../Sources/Celper").standardized
        let files = try FileManager.default.contentsOfDirectory(at: sources, includingPropertiesForKeys: nil)
        let text = try files.map { try String(contentsOf: $0, encoding: .utf8) }.joined(separator: "\n")
        let types = /(?m)^public (?:final class|struct|enum|protocol|typealias) (\w+)/
        let names = Set(text.matches(of: types).map { String($0.output.1) }).subtracting(["Celper", "CelperTypes"])
        let members = Set(text.matches(of: /typealias (\w+) = CelperTypes/).map { String($0.output.1) })
        #expect(names == members)
    }

    @Test func resultsAreCodable() async throws {
        let state = CandidateState(
            status: .unknown("paused"), analysisViewed: true, interviewScore: 85, requestId: "req_1",
            rateLimit: RateLimit(limit: 40, remaining: 39, resetAt: Date(timeIntervalSince1970: 1)))
        let data = try JSONEncoder().encode(state)
        #expect(try JSONDecoder().decode(CandidateState.self, from: data) == state)
        let json = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(json["status"] as? String == "paused")
    }
}

import Foundation

/// A measured client. The results have the fields that are checked.
public protocol Calls: Sendable {
    /// Reads a candidate's status.
    func status(_ candidate: String) async throws -> State
    /// Invites a candidate.
    func invite(_ candidate: String, emailBody: String) async throws -> Invitation
    /// Selects a candidate and returns its new status.
    func select(_ candidate: String) async throws -> String
    /// Rejects a candidate and returns its new status.
    func reject(_ candidate: String) async throws -> String
    /// Reads the status of an unknown candidate, and returns the fields of the error.
    func missing(_ candidate: String) async throws -> ErrorFields
}

/// A candidate's state.
public struct State: Sendable {
    let status: String
    let analysisViewed: Bool
    let interviewScore: Double?
    let requestId: String?

    /// Creates it with all fields.
    public init(status: String, analysisViewed: Bool, interviewScore: Double?, requestId: String?) {
        self.status = status
        self.analysisViewed = analysisViewed
        self.interviewScore = interviewScore
        self.requestId = requestId
    }
}

/// An invitation.
public struct Invitation: Sendable {
    let invited: Bool
    let sessionId: String
    let emailDelivery: String
    let expiresAt: Date

    /// Creates it with all fields.
    public init(invited: Bool, sessionId: String, emailDelivery: String, expiresAt: Date) {
        self.invited = invited
        self.sessionId = sessionId
        self.emailDelivery = emailDelivery
        self.expiresAt = expiresAt
    }
}

/// The fields of an error.
public struct ErrorFields: Sendable {
    let status: Int?
    let code: String?
    let requestId: String?

    /// Creates it with all fields.
    public init(status: Int?, code: String?, requestId: String?) {
        self.status = status
        self.code = code
        self.requestId = requestId
    }
}

/// A result that is not what the server sent.
public struct Unexpected: Error {
    let value: String

    /// Creates the error with the wrong result.
    public init(_ value: any Sendable) { self.value = "\(value)" }
}

private let requestId = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
private let expiresAt = Date(timeIntervalSince1970: 1_776_499_200)

/// Makes one call and checks its result.
func call(_ client: any Calls, _ operation: String) async throws {
    switch operation {
    case "invite":
        let sent = try await client.invite("cand_xyz789", emailBody: emailBody)
        let right = sent.sessionId == "sess_abc123" && sent.emailDelivery == "pending" && sent.expiresAt == expiresAt
        guard sent.invited, right else { throw Unexpected(sent) }
    case "missing":
        let error = try await client.missing("unknown")
        let right = error.status == 404 && error.code == "NOT_FOUND" && error.requestId == requestId
        guard right else { throw Unexpected(error) }
    default:
        let state = try await client.status(operation == "held" ? "held" : "cand_xyz789")
        let right = state.status == "interviewed" && state.interviewScore == 85 && state.requestId == requestId
        guard state.analysisViewed, right else { throw Unexpected(state) }
    }
}

private let emailBody = String(repeating: "x", count: 1_000)

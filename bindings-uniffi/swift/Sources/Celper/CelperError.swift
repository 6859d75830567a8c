import Foundation
internal import CelperGenerated

/// Why a call gave no result.
///
/// ```swift
/// do {
///     _ = try await client.selectCandidate("cand_xyz789", jobPositionId: "pos_abc123")
/// } catch let error as CelperError where error.kind == .analysisNotViewed {
///     print("view the analysis first")
/// } catch let error as CelperError where error.outcomeUnknown {
///     print("may have happened, read the status: \(error)")
/// }
/// ```
///
/// Its description is one readable line, and never contains the API key. A cancelled call throws `CancellationError` instead.
public struct CelperError: Error, LocalizedError, CustomStringConvertible, Sendable {
    /// What went wrong, as a stable value to decide on; the same in every language of this SDK.
    public enum Kind: String, CaseIterable, Sendable {
        /// Refused on this side; nothing was sent.
        case invalidArgument = "invalid_argument"
        /// HTTP 400, or another 4xx without a kind of its own.
        case invalidRequest = "invalid_request"
        /// HTTP 401; or the key provider gave no key, and then ``CelperError/underlyingError`` is what it threw.
        case authentication
        /// HTTP 403.
        case permissionDenied = "permission_denied"
        /// HTTP 404: no such candidate or job position.
        case notFound = "not_found"
        /// HTTP 409 with a code that has no kind of its own.
        case conflict
        /// HTTP 409: the candidate's status does not allow the action.
        case invalidStatus = "invalid_status"
        /// HTTP 409: the interview's analysis has to be viewed first.
        case analysisNotViewed = "analysis_not_viewed"
        /// HTTP 409: the idempotency key was used before with another request.
        case idempotencyConflict = "idempotency_conflict"
        /// HTTP 429, or pacing cannot fit the call into its timeout.
        case rateLimited = "rate_limited"
        /// HTTP 5xx.
        case server
        /// No usable answer: DNS, a refused or reset connection, TLS.
        case connection
        /// An attempt's time, or the whole call's, ran out.
        case timeout
        /// An answer that this API does not give: not JSON, the wrong shape, a redirect, too large.
        case unexpectedResponse = "unexpected_response"
    }

    /// What went wrong.
    public let kind: Kind
    /// The server's own description, or the client's where the server gave none.
    public let message: String
    /// What failed: `status`, `invite`, `select` or `reject`; `client` when a client could not be made.
    public let operation: String
    /// The HTTP status, where there was an answer.
    public let status: Int?
    /// The server's own code, also when it is not a documented one.
    public let code: String?
    /// The server's id of the request, to name in a question to its support.
    public let requestId: String?
    /// How long to wait before it makes sense to call again.
    public let retryAfter: Duration?
    /// How many HTTP requests were made for the call.
    public let attempts: Int
    /// The idempotency key that an action's requests carried: call again with it, and nothing is done twice.
    public let idempotencyKey: String?
    /// Whether an action may have taken place although this came of it. Read the status, or call again with the same key.
    public let outcomeUnknown: Bool
    /// What the key provider threw, when that is the reason.
    public let underlyingError: (any Error)?
    /// The whole of it as one line.
    public let description: String

    /// The same line.
    public var errorDescription: String? { description }

    init(_ failure: Failure) {
        kind = Kind(rawValue: failure.kind) ?? .unexpectedResponse
        message = failure.message
        operation = failure.operation
        status = failure.status.map(Int.init)
        code = failure.code
        requestId = failure.requestId
        retryAfter = failure.retryAfter.map(Duration.seconds)
        attempts = Int(failure.attempts)
        idempotencyKey = failure.idempotencyKey
        outcomeUnknown = failure.outcomeUnknown
        underlyingError = (failure.cause as? ThrownByProvider)?.thrown
        description = failure.text
    }
}

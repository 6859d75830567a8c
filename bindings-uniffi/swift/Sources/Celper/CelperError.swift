import Foundation
internal import CelperGenerated

/// The error of a call, or of creating a client.
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
/// ``description`` is one line that describes the error and never contains the API key. A cancelled call throws
/// `CancellationError` instead.
public struct CelperError: Error, LocalizedError, CustomStringConvertible, Sendable {
    /// The kind of an error. The raw values are stable and the same in every language of this SDK.
    public enum Kind: String, CaseIterable, Sendable {
        /// An argument or an option is invalid; nothing was sent.
        case invalidArgument = "invalid_argument"
        /// HTTP 400, or another 4xx that has no other kind.
        case invalidRequest = "invalid_request"
        /// HTTP 401; or the key provider failed, in which case ``CelperError/underlyingError`` is the error that it threw.
        case authentication
        /// HTTP 403: the key is not allowed to do this.
        case permissionDenied = "permission_denied"
        /// HTTP 404: the candidate or the job position does not exist.
        case notFound = "not_found"
        /// HTTP 409 with a code that has no other kind.
        case conflict
        /// HTTP 409: the candidate's status does not allow the action.
        case invalidStatus = "invalid_status"
        /// HTTP 409: somebody has to view the interview's analysis before the decision.
        case analysisNotViewed = "analysis_not_viewed"
        /// HTTP 409: the idempotency key was already used for a different request.
        case idempotencyConflict = "idempotency_conflict"
        /// HTTP 429, or the rate limits leave no room for the call within its timeout.
        case rateLimited = "rate_limited"
        /// HTTP 5xx: the service failed.
        case server
        /// The connection failed: DNS, connection refused or reset, TLS.
        case connection
        /// The timeout of an attempt or of the whole call expired.
        case timeout
        /// The response is not one of this API's: not JSON, an unexpected structure, a redirect, or too large.
        case unexpectedResponse = "unexpected_response"
        /// A bug in the SDK; please report it.
        case `internal`
        /// A webhook that cannot be trusted or read; ``CelperError/webhookReason`` tells why.
        case webhook
    }

    /// The error's kind.
    public let kind: Kind
    /// The server's description of the error, or the client's if there is none.
    public let message: String
    /// The operation that failed: `status`, `invite`, `select` or `reject`; `client` or `batch` if creating one failed.
    public let operation: String
    /// The HTTP status; nil if there was no response.
    public let status: Int?
    /// The server's error code, documented or not.
    public let code: String?
    /// The server's request id; include it when you contact support.
    public let requestId: String?
    /// How long to wait before calling again.
    public let retryAfter: Duration?
    /// The number of HTTP requests that were sent for the call.
    public let attempts: Int
    /// The rate limit headers of the response; nil if there were none, or no response.
    public let rateLimit: RateLimit?
    /// The idempotency key of the action. Call again with the same key, and the action is not performed twice.
    public let idempotencyKey: String?
    /// Whether the action may have taken place although the call failed. Read the status, or call again with the same key.
    public let outcomeUnknown: Bool
    /// Why a webhook is refused, of the kind ``Kind/webhook`` only. A stable value, the same in every language of this SDK:
    /// `missing_header`, `malformed`, `no_match`, `stale`, `not_json` or `unexpected_body`.
    public let webhookReason: String?
    /// The seconds by which a stale webhook's timestamp is behind this machine's clock; negative if it is ahead.
    public let clockDifference: Int?
    /// The error that the key provider threw, if that is why the call failed.
    public let underlyingError: (any Error)?
    /// The candidate's state that ``Celper/waitForStatus(_:jobPositionId:until:timeout:)`` has read last; nil for other calls, and if it
    /// has read none.
    public let lastState: CandidateState?
    /// The whole error as one line.
    public let description: String
    let lazyRecord: LazyRecord

    /// The attempts and waits of the call; nil if it was refused before it began.
    public var record: CallRecord? { lazyRecord.value }

    /// Same as ``description``.
    public var errorDescription: String? { description }

    /// Creates an error, for tests of your code.
    public init(
        kind: Kind,
        message: String,
        operation: String = "client",
        status: Int? = nil,
        code: String? = nil,
        requestId: String? = nil,
        retryAfter: Duration? = nil,
        attempts: Int = 1,
        rateLimit: RateLimit? = nil,
        idempotencyKey: String? = nil,
        outcomeUnknown: Bool = false,
        underlyingError: (any Error)? = nil,
        webhookReason: String? = nil,
        clockDifference: Int? = nil,
        lastState: CandidateState? = nil
    ) {
        self.kind = kind
        self.message = message
        self.operation = operation
        self.status = status
        self.code = code
        self.requestId = requestId
        self.retryAfter = retryAfter
        self.attempts = attempts
        self.rateLimit = rateLimit
        self.idempotencyKey = idempotencyKey
        self.outcomeUnknown = outcomeUnknown
        self.underlyingError = underlyingError
        self.webhookReason = webhookReason
        self.clockDifference = clockDifference
        self.lastState = lastState
        lazyRecord = LazyRecord()
        description = "\(operation): \(message)"
    }

    init(_ failure: Failure, webhookReason: String? = nil, clockDifference: Int64? = nil) {
        kind = Kind(rawValue: failure.kind) ?? .unexpectedResponse
        message = failure.message
        operation = failure.operation
        status = failure.status.map(Int.init)
        code = failure.code
        requestId = failure.requestId
        retryAfter = failure.retryAfter.map(Duration.seconds)
        attempts = Int(failure.attempts)
        rateLimit = failure.rateLimit?.rateLimit
        idempotencyKey = failure.idempotencyKey
        outcomeUnknown = failure.outcomeUnknown
        underlyingError = failure.cause.flatMap(KeyRequests.shared.takeError)
        description = failure.text
        self.webhookReason = webhookReason
        self.clockDifference = clockDifference.map(Int.init)
        lazyRecord = LazyRecord(bytes: failure.record)
        lastState = failure.lastState.map {
            CandidateState(
                status: CandidateStatus(rawValue: $0.status), analysisViewed: $0.analysisViewed,
                interviewScore: $0.interviewScore, requestId: $0.requestId, rateLimit: $0.rateLimit?.rateLimit,
                attempts: Int($0.attempts))
        }
    }
}

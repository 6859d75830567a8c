import Foundation

/// A candidate's status in the process of one job position.
///
/// ```swift
/// switch state.status {
/// case .interviewed: decide()
/// case .unknown(let value): log("unknown status: \(value)")
/// default: wait()
/// }
/// ```
public enum CandidateStatus: RawRepresentable, Hashable, Sendable, Codable, CustomStringConvertible {
    /// Not invited yet.
    case new
    /// Invited to an interview.
    case invited
    /// The interview took place.
    case interviewed
    /// Selected.
    case selected
    /// Rejected.
    case rejected
    /// The invitation expired.
    case expired
    /// The interview failed.
    case failed
    /// The interview cannot be evaluated.
    case unevaluable
    /// A status that this version of the SDK does not know.
    case unknown(String)

    /// The statuses that this version of the SDK knows.
    public static let known: [CandidateStatus] = [
        .new, .invited, .interviewed, .selected, .rejected, .expired, .failed, .unevaluable,
    ]

    /// The status that the API calls `rawValue`; ``unknown(_:)`` if this version of the SDK does not know it.
    public init(rawValue: String) {
        self = Self.known.first { $0.rawValue == rawValue } ?? .unknown(rawValue)
    }

    /// The status as the API sends it, for example `interviewed`.
    public var rawValue: String {
        switch self {
        case .new: "new"
        case .invited: "invited"
        case .interviewed: "interviewed"
        case .selected: "selected"
        case .rejected: "rejected"
        case .expired: "expired"
        case .failed: "failed"
        case .unevaluable: "unevaluable"
        case .unknown(let value): value
        }
    }

    /// Same as ``rawValue``.
    public var description: String { rawValue }
}

/// The rate limit headers of one response, for the window closest to its limit of those that the request counts in.
public struct RateLimit: Hashable, Sendable, Codable {
    /// Requests allowed in the window.
    public let limit: UInt64?
    /// Requests left in the window.
    public let remaining: UInt64?
    /// When the window resets, by the server's clock.
    public let resetAt: Date?

    /// Creates headers, for tests of your code.
    public init(
        limit: UInt64? = nil,
        remaining: UInt64? = nil,
        resetAt: Date? = nil
    ) {
        self.limit = limit
        self.remaining = remaining
        self.resetAt = resetAt
    }
}

/// The result of reading a candidate's status.
public struct CandidateState: Hashable, Sendable, Codable {
    /// The candidate's status.
    public let status: CandidateStatus
    /// Whether somebody has viewed the interview's analysis, which is required before a decision.
    public let analysisViewed: Bool
    /// The interview's score; nil if there is none yet.
    public let interviewScore: Double?
    /// The server's request id; include it when you contact support.
    public let requestId: String?
    /// The rate limit headers of the response; nil if there were none.
    public let rateLimit: RateLimit?
    /// The number of HTTP requests that were sent for the call.
    public let attempts: Int
    var lazyRecord = LazyRecord()

    /// The attempts and waits of the call; nil if the result was made by hand or decoded. Results that differ only in it are equal.
    public var record: CallRecord? { lazyRecord.value }

    private enum CodingKeys: String, CodingKey {
        case status, analysisViewed, interviewScore, requestId, rateLimit, attempts
    }

    /// Creates a result, for tests of your code.
    public init(
        status: CandidateStatus,
        analysisViewed: Bool,
        interviewScore: Double? = nil,
        requestId: String? = nil,
        rateLimit: RateLimit? = nil,
        attempts: Int = 1
    ) {
        self.status = status
        self.analysisViewed = analysisViewed
        self.interviewScore = interviewScore
        self.requestId = requestId
        self.rateLimit = rateLimit
        self.attempts = attempts
    }
}

/// The result of inviting a candidate.
public struct Invitation: Hashable, Sendable, Codable {
    /// Whether the candidate was invited.
    public let invited: Bool
    /// The interview session's id.
    public let sessionId: String
    /// The e-mail's delivery status; `pending` if it is queued.
    public let emailDelivery: String
    /// When the interview session expires.
    public let expiresAt: Date
    /// The server's request id; include it when you contact support.
    public let requestId: String?
    /// The rate limit headers of the response; nil if there were none.
    public let rateLimit: RateLimit?
    /// The number of HTTP requests that were sent for the call.
    public let attempts: Int
    var lazyRecord = LazyRecord()

    /// The attempts and waits of the call; nil if the result was made by hand or decoded. Results that differ only in it are equal.
    public var record: CallRecord? { lazyRecord.value }

    private enum CodingKeys: String, CodingKey {
        case invited, sessionId, emailDelivery, expiresAt, requestId, rateLimit, attempts
    }

    /// Creates a result, for tests of your code.
    public init(
        invited: Bool,
        sessionId: String,
        emailDelivery: String,
        expiresAt: Date,
        requestId: String? = nil,
        rateLimit: RateLimit? = nil,
        attempts: Int = 1
    ) {
        self.invited = invited
        self.sessionId = sessionId
        self.emailDelivery = emailDelivery
        self.expiresAt = expiresAt
        self.requestId = requestId
        self.rateLimit = rateLimit
        self.attempts = attempts
    }
}

/// The result of selecting or rejecting a candidate.
public struct Decision: Hashable, Sendable, Codable {
    /// The candidate's new status.
    public let status: CandidateStatus
    /// The server's request id; include it when you contact support.
    public let requestId: String?
    /// The rate limit headers of the response; nil if there were none.
    public let rateLimit: RateLimit?
    /// The number of HTTP requests that were sent for the call.
    public let attempts: Int
    var lazyRecord = LazyRecord()

    /// The attempts and waits of the call; nil if the result was made by hand or decoded. Results that differ only in it are equal.
    public var record: CallRecord? { lazyRecord.value }

    private enum CodingKeys: String, CodingKey {
        case status, requestId, rateLimit, attempts
    }

    /// Creates a result, for tests of your code.
    public init(
        status: CandidateStatus,
        requestId: String? = nil,
        rateLimit: RateLimit? = nil,
        attempts: Int = 1
    ) {
        self.status = status
        self.requestId = requestId
        self.rateLimit = rateLimit
        self.attempts = attempts
    }
}

/// The number of requests that the client sends at most in each sliding window. The defaults are the service's documented
/// limits.
///
/// ```swift
/// let half = RateLimits(reads: 20, actions: 15, total: 30)  // leaves half to other programs
/// ```
public struct RateLimits: Hashable, Sendable {
    /// Reads (status) per window.
    public var reads: Int
    /// Actions (invite, select, reject) per window.
    public var actions: Int
    /// Requests of all kinds per window.
    public var total: Int
    /// The length of the windows.
    public var window: Duration

    /// Creates limits. What is not passed has the documented value.
    public init(reads: Int = 40, actions: Int = 30, total: Int = 60, window: Duration = .seconds(60)) {
        self.reads = reads
        self.actions = actions
        self.total = total
        self.window = window
    }
}

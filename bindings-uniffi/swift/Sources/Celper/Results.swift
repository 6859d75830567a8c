import Foundation

/// Where a candidate stands in one job position's process.
///
/// ```swift
/// switch state.status {
/// case .interviewed: decide()
/// case .unknown(let value): log("a status of tomorrow: \(value)")
/// default: wait()
/// }
/// ```
public enum CandidateStatus: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// Known to the position; not invited yet.
    case new
    /// Invited to an interview.
    case invited
    /// The interview took place.
    case interviewed
    /// Selected.
    case selected
    /// Rejected.
    case rejected
    /// The invitation ran out.
    case expired
    /// The interview failed.
    case failed
    /// The interview cannot be evaluated.
    case unevaluable
    /// A status that this version does not know, as the server sent it.
    case unknown(String)

    /// The statuses that this version knows.
    public static let known: [CandidateStatus] = [
        .new, .invited, .interviewed, .selected, .rejected, .expired, .failed, .unevaluable,
    ]

    /// The status that the API spells so.
    public init(rawValue: String) {
        self = Self.known.first { $0.rawValue == rawValue } ?? .unknown(rawValue)
    }

    /// The status as the API spells it.
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

    /// The same as ``rawValue``.
    public var description: String { rawValue }
}

/// What the server said of its rate limit in one answer: the tightest of the windows that the request counted in.
public struct RateLimit: Hashable, Sendable {
    /// Requests allowed in the window.
    public let limit: UInt64?
    /// Requests left in the window.
    public let remaining: UInt64?
    /// When there is room again, on the server's clock.
    public let resetAt: Date?
}

/// A candidate's state.
public struct CandidateState: Hashable, Sendable {
    /// Where the candidate stands.
    public let status: CandidateStatus
    /// Whether somebody has viewed the interview's analysis; a decision needs that.
    public let analysisViewed: Bool
    /// The interview's score; nil before there is one.
    public let interviewScore: Double?
    /// The server's id of the request.
    public let requestId: String?
    /// The server's rate limit; nil where it sent none.
    public let rateLimit: RateLimit?
}

/// An invitation that went out.
public struct Invitation: Hashable, Sendable {
    /// Whether the candidate was invited.
    public let invited: Bool
    /// The interview session's id.
    public let sessionId: String
    /// How the e-mail stands: `pending` when it is queued.
    public let emailDelivery: String
    /// When the interview session closes.
    public let expiresAt: Date
    /// The server's id of the request.
    public let requestId: String?
    /// The server's rate limit; nil where it sent none.
    public let rateLimit: RateLimit?
}

/// A decision that was taken.
public struct Decision: Hashable, Sendable {
    /// The candidate's status now.
    public let status: CandidateStatus
    /// The server's id of the request.
    public let requestId: String?
    /// The server's rate limit; nil where it sent none.
    public let rateLimit: RateLimit?
}

/// How many requests the service allows in each sliding window; by default its documented limits.
///
/// ```swift
/// let half = RateLimits(reads: 20, actions: 15, total: 30)  // two processes share one company's limits
/// ```
public struct RateLimits: Hashable, Sendable {
    /// Reads (status) in one window.
    public var reads: Int
    /// Actions (invite, select, reject) in one window.
    public var actions: Int
    /// Requests of all kinds in one window.
    public var total: Int
    /// The windows' length.
    public var window: Duration

    /// The documented limits, but for what is passed.
    public init(reads: Int = 40, actions: Int = 30, total: Int = 60, window: Duration = .seconds(60)) {
        self.reads = reads
        self.actions = actions
        self.total = total
        self.window = window
    }
}

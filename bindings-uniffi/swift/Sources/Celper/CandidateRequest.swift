internal import CelperGenerated

/// One of the four operations with its arguments, as data; a ``Batch`` carries them out.
///
/// ```swift
/// let requests: [CandidateRequest] = [
///     .invite(InviteRequest("cand_1", jobPositionId: "pos_abc123", emailSubject: "Your interview")),
///     .reject(RejectRequest("cand_2", jobPositionId: "pos_abc123")),
/// ]
/// ```
public enum CandidateRequest: Hashable, Sendable {
    /// Reads a candidate's status.
    case status(StatusRequest)
    /// Invites a candidate.
    case invite(InviteRequest)
    /// Selects a candidate.
    case select(SelectRequest)
    /// Rejects a candidate.
    case reject(RejectRequest)

    /// The candidate's id.
    public var candidateId: String {
        switch self {
        case .status(let request): request.candidateId
        case .invite(let request): request.candidateId
        case .select(let request): request.candidateId
        case .reject(let request): request.candidateId
        }
    }

    /// The id of the candidate's job position.
    public var jobPositionId: String {
        switch self {
        case .status(let request): request.jobPositionId
        case .invite(let request): request.jobPositionId
        case .select(let request): request.jobPositionId
        case .reject(let request): request.jobPositionId
        }
    }

    var input: CallInput {
        switch self {
        case .status(let request):
            callInput(
                "status", request.candidateId, request.jobPositionId, timeout: request.timeout,
                maxRetries: request.maxRetries)
        case .invite(let request):
            callInput(
                "invite", request.candidateId, request.jobPositionId, emailSubject: request.emailSubject,
                emailBody: request.emailBody, idempotencyKey: request.idempotencyKey, timeout: request.timeout,
                maxRetries: request.maxRetries)
        case .select(let request):
            callInput(
                "select", request.candidateId, request.jobPositionId, idempotencyKey: request.idempotencyKey,
                timeout: request.timeout, maxRetries: request.maxRetries)
        case .reject(let request):
            callInput(
                "reject", request.candidateId, request.jobPositionId, idempotencyKey: request.idempotencyKey,
                timeout: request.timeout, maxRetries: request.maxRetries)
        }
    }
}

/// Reads a candidate's status: the arguments of ``Celper/getCandidateStatus(_:jobPositionId:timeout:maxRetries:)``.
public struct StatusRequest: Hashable, Sendable {
    /// The candidate's id.
    public var candidateId: String
    /// The id of the candidate's job position.
    public var jobPositionId: String
    /// The timeout of the call once the rate limit has let it through; if nil, the client's.
    public var timeout: Duration?
    /// The maximum number of attempts after the first one; if nil, the client's.
    public var maxRetries: Int?

    /// Creates a request.
    public init(_ candidateId: String, jobPositionId: String, timeout: Duration? = nil, maxRetries: Int? = nil) {
        self.candidateId = candidateId
        self.jobPositionId = jobPositionId
        self.timeout = timeout
        self.maxRetries = maxRetries
    }
}

/// Invites a candidate: the arguments of
/// ``Celper/inviteCandidate(_:jobPositionId:emailSubject:emailBody:idempotencyKey:timeout:maxRetries:)``.
public struct InviteRequest: Hashable, Sendable, CustomStringConvertible {
    /// The candidate's id.
    public var candidateId: String
    /// The id of the candidate's job position.
    public var jobPositionId: String
    /// The e-mail's subject, at most 200 characters; if nil, the service's default.
    public var emailSubject: String?
    /// The e-mail's body, at most 5,000 characters, with `{interviewLink}` where the link belongs; if nil, the service's default.
    public var emailBody: String?
    /// The action's idempotency key; if nil, derived from the batch id, or a UUID v4.
    public var idempotencyKey: String?
    /// The timeout of the call once the rate limit has let it through; if nil, the client's.
    public var timeout: Duration?
    /// The maximum number of attempts after the first one; if nil, the client's.
    public var maxRetries: Int?

    /// Creates a request.
    public init(
        _ candidateId: String, jobPositionId: String, emailSubject: String? = nil, emailBody: String? = nil,
        idempotencyKey: String? = nil, timeout: Duration? = nil, maxRetries: Int? = nil
    ) {
        self.candidateId = candidateId
        self.jobPositionId = jobPositionId
        self.emailSubject = emailSubject
        self.emailBody = emailBody
        self.idempotencyKey = idempotencyKey
        self.timeout = timeout
        self.maxRetries = maxRetries
    }

    /// The ids, without the e-mail.
    public var description: String { "InviteRequest(\"\(candidateId)\", jobPositionId: \"\(jobPositionId)\")" }
}

/// Selects a candidate: the arguments of ``Celper/selectCandidate(_:jobPositionId:idempotencyKey:timeout:maxRetries:)``.
public struct SelectRequest: Hashable, Sendable {
    /// The candidate's id.
    public var candidateId: String
    /// The id of the candidate's job position.
    public var jobPositionId: String
    /// The action's idempotency key; if nil, derived from the batch id, or a UUID v4.
    public var idempotencyKey: String?
    /// The timeout of the call once the rate limit has let it through; if nil, the client's.
    public var timeout: Duration?
    /// The maximum number of attempts after the first one; if nil, the client's.
    public var maxRetries: Int?

    /// Creates a request.
    public init(
        _ candidateId: String, jobPositionId: String, idempotencyKey: String? = nil, timeout: Duration? = nil,
        maxRetries: Int? = nil
    ) {
        self.candidateId = candidateId
        self.jobPositionId = jobPositionId
        self.idempotencyKey = idempotencyKey
        self.timeout = timeout
        self.maxRetries = maxRetries
    }
}

/// Rejects a candidate: the arguments of ``Celper/rejectCandidate(_:jobPositionId:idempotencyKey:timeout:maxRetries:)``.
public struct RejectRequest: Hashable, Sendable {
    /// The candidate's id.
    public var candidateId: String
    /// The id of the candidate's job position.
    public var jobPositionId: String
    /// The action's idempotency key; if nil, derived from the batch id, or a UUID v4.
    public var idempotencyKey: String?
    /// The timeout of the call once the rate limit has let it through; if nil, the client's.
    public var timeout: Duration?
    /// The maximum number of attempts after the first one; if nil, the client's.
    public var maxRetries: Int?

    /// Creates a request.
    public init(
        _ candidateId: String, jobPositionId: String, idempotencyKey: String? = nil, timeout: Duration? = nil,
        maxRetries: Int? = nil
    ) {
        self.candidateId = candidateId
        self.jobPositionId = jobPositionId
        self.idempotencyKey = idempotencyKey
        self.timeout = timeout
        self.maxRetries = maxRetries
    }
}

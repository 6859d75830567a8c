/// The four operations, which ``Celper`` implements. Code that takes a `CandidateActions` can be tested with a fake.
///
/// ```swift
/// struct Screening {
///     let celper: any CandidateActions
///
///     func isDone(_ candidate: String) async throws -> Bool {
///         try await celper.getCandidateStatus(candidate, jobPositionId: "pos_abc123").analysisViewed
///     }
/// }
/// ```
///
/// New versions may add operations.
public protocol CandidateActions: Sendable {
    /// Reads a candidate's status: ``Celper/getCandidateStatus(_:jobPositionId:timeout:maxRetries:)``.
    func getCandidateStatus(
        _ candidateId: String,
        jobPositionId: String,
        timeout: Duration?,
        maxRetries: Int?
    ) async throws -> CandidateState

    /// Invites a candidate:
    /// ``Celper/inviteCandidate(_:jobPositionId:emailSubject:emailBody:idempotencyKey:timeout:maxRetries:)``.
    func inviteCandidate(
        _ candidateId: String,
        jobPositionId: String,
        emailSubject: String?,
        emailBody: String?,
        idempotencyKey: String?,
        timeout: Duration?,
        maxRetries: Int?
    ) async throws -> Invitation

    /// Selects a candidate: ``Celper/selectCandidate(_:jobPositionId:idempotencyKey:timeout:maxRetries:)``.
    func selectCandidate(
        _ candidateId: String,
        jobPositionId: String,
        idempotencyKey: String?,
        timeout: Duration?,
        maxRetries: Int?
    ) async throws -> Decision

    /// Rejects a candidate: ``Celper/rejectCandidate(_:jobPositionId:idempotencyKey:timeout:maxRetries:)``.
    func rejectCandidate(
        _ candidateId: String,
        jobPositionId: String,
        idempotencyKey: String?,
        timeout: Duration?,
        maxRetries: Int?
    ) async throws -> Decision
}

// A requirement has no default arguments. These call it with those of ``Celper``.
extension CandidateActions {
    /// Reads a candidate's status, with the client's timeout and retries.
    public func getCandidateStatus(_ candidateId: String, jobPositionId: String) async throws -> CandidateState {
        try await getCandidateStatus(candidateId, jobPositionId: jobPositionId, timeout: nil, maxRetries: nil)
    }

    /// Invites a candidate, with the client's timeout and retries.
    public func inviteCandidate(
        _ candidateId: String,
        jobPositionId: String,
        emailSubject: String? = nil,
        emailBody: String? = nil,
        idempotencyKey: String? = nil
    ) async throws -> Invitation {
        try await inviteCandidate(
            candidateId, jobPositionId: jobPositionId, emailSubject: emailSubject, emailBody: emailBody,
            idempotencyKey: idempotencyKey, timeout: nil, maxRetries: nil)
    }

    /// Selects a candidate, with the client's timeout and retries.
    public func selectCandidate(
        _ candidateId: String, jobPositionId: String, idempotencyKey: String? = nil
    ) async throws -> Decision {
        try await selectCandidate(
            candidateId, jobPositionId: jobPositionId, idempotencyKey: idempotencyKey, timeout: nil, maxRetries: nil)
    }

    /// Rejects a candidate, with the client's timeout and retries.
    public func rejectCandidate(
        _ candidateId: String, jobPositionId: String, idempotencyKey: String? = nil
    ) async throws -> Decision {
        try await rejectCandidate(
            candidateId, jobPositionId: jobPositionId, idempotencyKey: idempotencyKey, timeout: nil, maxRetries: nil)
    }
}

import Foundation
internal import CelperGenerated

/// A client of the Celper AI Candidate Actions API.
///
/// ```swift
/// let client = try Celper(apiKey: "celp_…")
/// let state = try await client.getCandidateStatus("cand_xyz789", jobPositionId: "pos_abc123")
/// if state.analysisViewed {
///     _ = try await client.selectCandidate("cand_xyz789", jobPositionId: "pos_abc123")
/// }
/// ```
///
/// One client serves any number of tasks. Its functions block no thread; cancelling the task drops the request on the wire,
/// no retry follows, and the call throws `CancellationError`. Failures are ``CelperError``s.
public final class Celper: Sendable, CustomStringConvertible {
    private let native: NativeClient

    /// Makes a client. It connects to nothing yet.
    ///
    /// - Parameters:
    ///   - apiKey: the key; without one, and without a provider, the environment's `CELPER_API_KEY`
    ///   - keyProvider: fetches the key for each attempt, in place of a fixed one; apps need this
    ///   - baseURL: where the API is, a gateway's path in front of it included; without it `CELPER_BASE_URL`, else the service
    ///   - timeout: for a whole call, waits and retries included
    ///   - attemptTimeout: for one HTTP attempt
    ///   - maxRetries: how many more attempts may follow a failed one
    ///   - rateLimits: the windows to keep to; nil turns pacing off
    ///   - proxy: the URL of a proxy; without it the environment's
    ///   - caCertificates: PEM text, trusted beside the system's roots
    ///   - appInfo: `name/version` of your program, for the User-Agent
    /// - Throws: ``CelperError`` of the kind `invalidArgument` when an option cannot be used or there is no key.
    public init(
        apiKey: String? = nil,
        keyProvider: KeyProvider? = nil,
        baseURL: String? = nil,
        timeout: Duration = .seconds(120),
        attemptTimeout: Duration = .seconds(30),
        maxRetries: Int = 2,
        rateLimits: RateLimits? = RateLimits(),
        proxy: String? = nil,
        caCertificates: String? = nil,
        appInfo: String? = nil
    ) throws {
        let options = Options(
            apiKey: apiKey,
            keySource: keyProvider.map(ProviderAsSource.init),
            baseUrl: baseURL,
            allowEmulatorHost: false,
            timeout: timeout.inSeconds,
            attemptTimeout: attemptTimeout.inSeconds,
            maxRetries: Int64(maxRetries),
            rateLimits: rateLimits.map {
                Rates(
                    reads: Int64($0.reads), actions: Int64($0.actions), total: Int64($0.total),
                    window: $0.window.inSeconds)
            },
            proxy: proxy,
            caCertificates: caCertificates,
            appInfo: appInfo,
            language: "swift",
            languageVersion: "6"
        )
        switch open(options: options) {
        case .opened(let client): native = client
        case .failed(let failure): throw CelperError(failure)
        }
    }

    /// A client with the environment's `CELPER_API_KEY` and, where set, `CELPER_BASE_URL`.
    public static func fromEnvironment() throws -> Celper { try Celper() }

    /// Reads a candidate's status.
    ///
    /// ```swift
    /// let state = try await client.getCandidateStatus("cand_xyz789", jobPositionId: "pos_abc123")
    /// ```
    ///
    /// Needs the scope `read:candidates`. An unknown candidate or position is an error of the kind `notFound`.
    ///
    /// - Parameters:
    ///   - candidateId: the candidate's id
    ///   - jobPositionId: the id of the job position that the candidate stands for
    ///   - timeout: for the whole call, in place of the client's
    ///   - maxRetries: in place of the client's
    public func getCandidateStatus(
        _ candidateId: String,
        jobPositionId: String,
        timeout: Duration? = nil,
        maxRetries: Int? = nil
    ) async throws -> CandidateState {
        let (output, requestId, rateLimit) = try await call(
            "status", candidateId, jobPositionId, timeout: timeout, maxRetries: maxRetries)
        guard case .state(let status, let analysisViewed, let interviewScore) = output else { throw mismatch("status") }
        return CandidateState(
            status: CandidateStatus(rawValue: status), analysisViewed: analysisViewed, interviewScore: interviewScore,
            requestId: requestId, rateLimit: rateLimit)
    }

    /// Invites a `new` candidate: opens a 7-day interview session, and queues the e-mail.
    ///
    /// ```swift
    /// _ = try await client.inviteCandidate("cand_xyz789", jobPositionId: "pos_abc123", emailBody: "Here: {interviewLink}")
    /// ```
    ///
    /// Needs the scope `action:invite`. A candidate that is not `new` is an error of the kind `invalidStatus`.
    ///
    /// - Parameters:
    ///   - candidateId: the candidate's id
    ///   - jobPositionId: the id of the job position that the candidate stands for
    ///   - emailSubject: the e-mail's subject, at most 200 characters; the service's own without it
    ///   - emailBody: the e-mail's body, at most 5,000 characters, in which `{interviewLink}` becomes the interview's URL;
    ///     the service's own without it
    ///   - idempotencyKey: the key under which the service acts only once within 24 hours; a UUID v4 made for the call
    ///     without it
    ///   - timeout: for the whole call, in place of the client's
    ///   - maxRetries: in place of the client's
    public func inviteCandidate(
        _ candidateId: String,
        jobPositionId: String,
        emailSubject: String? = nil,
        emailBody: String? = nil,
        idempotencyKey: String? = nil,
        timeout: Duration? = nil,
        maxRetries: Int? = nil
    ) async throws -> Invitation {
        let (output, requestId, rateLimit) = try await call(
            "invite", candidateId, jobPositionId, emailSubject: emailSubject, emailBody: emailBody,
            idempotencyKey: idempotencyKey, timeout: timeout, maxRetries: maxRetries)
        guard case .invitation(let invited, let sessionId, let emailDelivery, let expiresAt) = output else {
            throw mismatch("invite")
        }
        return Invitation(
            invited: invited, sessionId: sessionId, emailDelivery: emailDelivery, expiresAt: expiresAt.date,
            requestId: requestId, rateLimit: rateLimit)
    }

    /// Selects an interviewed candidate whose analysis was viewed.
    ///
    /// ```swift
    /// _ = try await client.selectCandidate("cand_xyz789", jobPositionId: "pos_abc123")
    /// ```
    ///
    /// Needs the scope `action:decide`. Fails with the kind `analysisNotViewed` or `invalidStatus`.
    ///
    /// - Parameters:
    ///   - candidateId: the candidate's id
    ///   - jobPositionId: the id of the job position that the candidate stands for
    ///   - idempotencyKey: the key under which the service acts only once within 24 hours; a UUID v4 made for the call
    ///     without it
    ///   - timeout: for the whole call, in place of the client's
    ///   - maxRetries: in place of the client's
    public func selectCandidate(
        _ candidateId: String,
        jobPositionId: String,
        idempotencyKey: String? = nil,
        timeout: Duration? = nil,
        maxRetries: Int? = nil
    ) async throws -> Decision {
        try await decide("select", candidateId, jobPositionId, idempotencyKey, timeout, maxRetries)
    }

    /// Rejects an interviewed candidate whose analysis was viewed.
    ///
    /// ```swift
    /// _ = try await client.rejectCandidate("cand_xyz789", jobPositionId: "pos_abc123")
    /// ```
    ///
    /// Needs the scope `action:decide`. Fails with the kind `analysisNotViewed` or `invalidStatus`.
    ///
    /// - Parameters:
    ///   - candidateId: the candidate's id
    ///   - jobPositionId: the id of the job position that the candidate stands for
    ///   - idempotencyKey: the key under which the service acts only once within 24 hours; a UUID v4 made for the call
    ///     without it
    ///   - timeout: for the whole call, in place of the client's
    ///   - maxRetries: in place of the client's
    public func rejectCandidate(
        _ candidateId: String,
        jobPositionId: String,
        idempotencyKey: String? = nil,
        timeout: Duration? = nil,
        maxRetries: Int? = nil
    ) async throws -> Decision {
        try await decide("reject", candidateId, jobPositionId, idempotencyKey, timeout, maxRetries)
    }

    /// Closes the client: calls under way are finished, and further ones are refused. Letting go of it does the same.
    public func close() { native.shut() }

    /// Where the API is.
    public var baseURL: String { native.baseUrl() }

    /// Where the client points; never its key.
    public var description: String { "Celper(baseURL: \(baseURL))" }

    private func decide(
        _ operation: String, _ candidateId: String, _ jobPositionId: String, _ idempotencyKey: String?,
        _ timeout: Duration?, _ maxRetries: Int?
    ) async throws -> Decision {
        let (output, requestId, rateLimit) = try await call(
            operation, candidateId, jobPositionId, idempotencyKey: idempotencyKey, timeout: timeout,
            maxRetries: maxRetries)
        guard case .decision(let status) = output else { throw mismatch(operation) }
        return Decision(status: CandidateStatus(rawValue: status), requestId: requestId, rateLimit: rateLimit)
    }

    private func call(
        _ operation: String, _ candidateId: String, _ jobPositionId: String, emailSubject: String? = nil,
        emailBody: String? = nil, idempotencyKey: String? = nil, timeout: Duration?, maxRetries: Int?
    ) async throws -> (Output, String?, RateLimit?) {
        // A task that is cancelled already sends nothing.
        try Task.checkCancellation()
        let input = CallInput(
            operation: operation, candidateId: candidateId, jobPositionId: jobPositionId, emailSubject: emailSubject,
            emailBody: emailBody, idempotencyKey: idempotencyKey, timeout: timeout?.inSeconds,
            maxRetries: maxRetries.map(Int64.init))
        // The generated code does not heed the task's cancellation by itself.
        let cancel = CancelToken()
        let native = native
        let outcome = await withTaskCancellationHandler {
            await native.call(input: input, cancel: cancel)
        } onCancel: {
            cancel.cancel()
        }
        switch outcome {
        case .done(let output, let requestId, let rate): return (output, requestId, rate?.rateLimit)
        case .failed(let failure): throw CelperError(failure)
        case .cancelled: throw CancellationError()
        }
    }

    private func mismatch(_ operation: String) -> CelperError {
        let message = "internal error in the SDK, please report it: another operation's result"
        return CelperError(
            Failure(
                kind: CelperError.Kind.unexpectedResponse.rawValue, message: message, text: "\(operation): \(message)",
                operation: operation, status: nil, code: nil, requestId: nil, retryAfter: nil, attempts: 0,
                idempotencyKey: nil, outcomeUnknown: operation != "status", cause: nil))
    }
}

extension Duration {
    /// Whatever it is, also below 0: the core refuses what is no time, by the option's name.
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

extension Instant {
    var date: Date { Date(timeIntervalSince1970: Double(seconds) + Double(nanoseconds) / 1e9) }
}

extension Rate {
    var rateLimit: RateLimit { RateLimit(limit: limit, remaining: remaining, resetAt: resetAt?.date) }
}

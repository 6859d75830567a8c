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
/// Share one client between any number of tasks. Its functions never block a thread. Cancelling the task drops the request on
/// the wire, no retry follows, and the call throws `CancellationError`. A call that fails throws a ``CelperError``.
public final class Celper: CandidateActions, Sendable, CustomStringConvertible {
    private let native: NativeClient
    private let onEvent: EventHandler?

    /// Creates a client. It does not connect until the first call.
    ///
    /// - Parameters:
    ///   - apiKey: the API key; if nil and there is no key provider, the environment variable `CELPER_API_KEY`
    ///   - keyProvider: returns the key for each attempt, instead of a fixed key; for apps, which must not contain a key
    ///   - baseURL: the API's base URL, which may include a path; if nil, the environment variable `CELPER_BASE_URL`,
    ///     otherwise `https://api.celper.ai`
    ///   - timeout: the timeout of a whole call, all waits and retries included; if nil, a call waits for the rate limit as
    ///     long as it takes, and has 120 s after that
    ///   - attemptTimeout: the timeout of one HTTP attempt
    ///   - maxRetries: the maximum number of attempts after the first one; 0 means exactly one request
    ///   - rateLimits: the rate limits that calls are paced to; nil turns pacing off
    ///   - proxy: the URL of an HTTP proxy or, on Linux, a SOCKS proxy; if nil, the proxy that the environment configures
    ///   - caCertificates: CA certificates as PEM text, trusted in addition to the system's
    ///   - appInfo: your program's `name/version`, appended to the User-Agent header
    ///   - allowHttpHosts: private hosts that `baseURL` may name with plain `http`, for example a sandbox in a container
    ///     network: names without a dot, names under `internal`, `local`, `test`, `lan` or `home.arpa`, and private
    ///     addresses. Over `http`, everyone on the network in between can read the key; never use it with a production key
    ///   - rateLimitStore: which processes share the rate limits: `"process"`, the default in apps, this process alone;
    ///     `"machine"`, the default on Linux, all of this user on this machine; on Linux also `"redis://…"` or
    ///     `"rediss://…"`, all that use this Redis or Valkey server; if nil, the environment variable
    ///     `CELPER_RATE_LIMIT_STORE`, otherwise the default
    ///   - rateLimitName: a name for the company whose limits these are: clients with the same name share them, whatever
    ///     their keys; if nil, clients with the same key do
    ///   - rateLimitStoreDown: what happens to calls while the store cannot be reached: `"share"`, the default, lets each
    ///     process use its share of the limits; with `"fail"`, calls fail with the kind `connection`
    ///   - onEvent: is called for each call, each request of a batch and each read of a wait or a watch that has ended, with
    ///     what it did: in the caller's task, before the result is returned or the error thrown
    /// - Throws: ``CelperError`` of the kind `invalidArgument` if an option is invalid, or if there is no key.
    public init(
        apiKey: String? = nil,
        keyProvider: KeyProvider? = nil,
        baseURL: String? = nil,
        timeout: Duration? = nil,
        attemptTimeout: Duration = .seconds(30),
        maxRetries: Int = 2,
        rateLimits: RateLimits? = RateLimits(),
        proxy: String? = nil,
        caCertificates: String? = nil,
        appInfo: String? = nil,
        allowHttpHosts: [String] = [],
        rateLimitStore: String? = nil,
        rateLimitName: String? = nil,
        rateLimitStoreDown: String? = nil,
        onEvent: EventHandler? = nil
    ) throws {
        let options = ClientOptions(
            apiKey: apiKey,
            keySource: keyProvider.map(KeyRequests.shared.source),
            baseUrl: baseURL,
            allowHttpHosts: allowHttpHosts,
            timeout: timeout?.inSeconds,
            attemptTimeout: attemptTimeout.inSeconds,
            maxRetries: Int64(maxRetries),
            rateLimits: rateLimits.map {
                RateLimitOptions(
                    reads: Int64($0.reads), actions: Int64($0.actions), total: Int64($0.total),
                    window: $0.window.inSeconds)
            },
            rateLimitStore: rateLimitStore,
            rateLimitName: rateLimitName,
            rateLimitStoreDown: rateLimitStoreDown,
            proxy: proxy,
            caCertificates: caCertificates,
            appInfo: appInfo,
            logCallback: CallLog.callback,
            logLevel: CallLog.level,
            language: "swift",
            languageVersion: "6"
        )
        self.onEvent = onEvent
        switch open(options: options) {
        case .opened(let client): native = client
        case .failed(let failure): throw CelperError(failure)
        }
    }

    /// Creates a client with the API key in the environment variable `CELPER_API_KEY` and, if set, the base URL in
    /// `CELPER_BASE_URL`.
    ///
    /// - Throws: ``CelperError`` of the kind `invalidArgument` if there is no key, or if one of the two is invalid.
    public static func fromEnvironment() throws -> Celper { try Celper() }

    /// Reads a candidate's status.
    ///
    /// ```swift
    /// let state = try await client.getCandidateStatus("cand_xyz789", jobPositionId: "pos_abc123")
    /// ```
    ///
    /// Needs the scope `read:candidates`.
    ///
    /// - Parameters:
    ///   - candidateId: the candidate's id
    ///   - jobPositionId: the id of the job position that the candidate applies for
    ///   - timeout: the timeout of the whole call, all waits and retries included; if nil, the client's
    ///   - maxRetries: the maximum number of attempts after the first one; if nil, the client's
    /// - Throws: ``CelperError``, of the kind `notFound` if the candidate or the job position does not exist.
    public func getCandidateStatus(
        _ candidateId: String,
        jobPositionId: String,
        timeout: Duration? = nil,
        maxRetries: Int? = nil
    ) async throws -> CandidateState {
        let input = callInput("status", candidateId, jobPositionId, timeout: timeout, maxRetries: maxRetries)
        guard case .state(let state) = try await call(input) else { throw wrongOutput("status") }
        return state
    }

    /// Invites a candidate with the status `new`: opens a 7-day interview session and queues the e-mail.
    ///
    /// ```swift
    /// _ = try await client.inviteCandidate("cand_xyz789", jobPositionId: "pos_abc123", emailBody: "Here: {interviewLink}")
    /// ```
    ///
    /// Needs the scope `action:invite`.
    ///
    /// - Parameters:
    ///   - candidateId: the candidate's id
    ///   - jobPositionId: the id of the job position that the candidate applies for
    ///   - emailSubject: the e-mail's subject, at most 200 characters; if nil, the service's default
    ///   - emailBody: the e-mail's body, at most 5,000 characters; `{interviewLink}` in it is replaced by the interview's URL;
    ///     if nil, the service's default
    ///   - idempotencyKey: the service performs an action only once per key within 24 hours; if nil, a UUID v4 created for
    ///     the call
    ///   - timeout: the timeout of the whole call, all waits and retries included; if nil, the client's
    ///   - maxRetries: the maximum number of attempts after the first one; if nil, the client's
    /// - Throws: ``CelperError``, of the kind `invalidStatus` if the candidate's status is not `new`, and `notFound` if the
    ///   candidate or the job position does not exist.
    public func inviteCandidate(
        _ candidateId: String,
        jobPositionId: String,
        emailSubject: String? = nil,
        emailBody: String? = nil,
        idempotencyKey: String? = nil,
        timeout: Duration? = nil,
        maxRetries: Int? = nil
    ) async throws -> Invitation {
        let input = callInput(
            "invite", candidateId, jobPositionId, emailSubject: emailSubject, emailBody: emailBody,
            idempotencyKey: idempotencyKey, timeout: timeout, maxRetries: maxRetries)
        guard case .invitation(let invitation) = try await call(input) else { throw wrongOutput("invite") }
        return invitation
    }

    /// Selects a candidate with the status `interviewed` whose analysis was viewed.
    ///
    /// ```swift
    /// _ = try await client.selectCandidate("cand_xyz789", jobPositionId: "pos_abc123")
    /// ```
    ///
    /// Needs the scope `action:decide`.
    ///
    /// - Parameters:
    ///   - candidateId: the candidate's id
    ///   - jobPositionId: the id of the job position that the candidate applies for
    ///   - idempotencyKey: the service performs an action only once per key within 24 hours; if nil, a UUID v4 created for
    ///     the call
    ///   - timeout: the timeout of the whole call, all waits and retries included; if nil, the client's
    ///   - maxRetries: the maximum number of attempts after the first one; if nil, the client's
    /// - Throws: ``CelperError``, of the kind `analysisNotViewed` if nobody has viewed the analysis, `invalidStatus` if the
    ///   candidate's status is not `interviewed`, and `notFound` if the candidate or the job position does not exist.
    public func selectCandidate(
        _ candidateId: String,
        jobPositionId: String,
        idempotencyKey: String? = nil,
        timeout: Duration? = nil,
        maxRetries: Int? = nil
    ) async throws -> Decision {
        try await decide("select", candidateId, jobPositionId, idempotencyKey, timeout, maxRetries)
    }

    /// Rejects a candidate with the status `interviewed` whose analysis was viewed.
    ///
    /// ```swift
    /// _ = try await client.rejectCandidate("cand_xyz789", jobPositionId: "pos_abc123")
    /// ```
    ///
    /// Needs the scope `action:decide`.
    ///
    /// - Parameters:
    ///   - candidateId: the candidate's id
    ///   - jobPositionId: the id of the job position that the candidate applies for
    ///   - idempotencyKey: the service performs an action only once per key within 24 hours; if nil, a UUID v4 created for
    ///     the call
    ///   - timeout: the timeout of the whole call, all waits and retries included; if nil, the client's
    ///   - maxRetries: the maximum number of attempts after the first one; if nil, the client's
    /// - Throws: ``CelperError``, of the kind `analysisNotViewed` if nobody has viewed the analysis, `invalidStatus` if the
    ///   candidate's status is not `interviewed`, and `notFound` if the candidate or the job position does not exist.
    public func rejectCandidate(
        _ candidateId: String,
        jobPositionId: String,
        idempotencyKey: String? = nil,
        timeout: Duration? = nil,
        maxRetries: Int? = nil
    ) async throws -> Decision {
        try await decide("reject", candidateId, jobPositionId, idempotencyKey, timeout, maxRetries)
    }

    /// Waits until a candidate has one of the statuses, for minutes; for days, receive webhooks.
    ///
    /// ```swift
    /// let state = try await client.waitForStatus(
    ///     "cand_xyz789", jobPositionId: "pos_abc123", until: [.interviewed, .expired, .failed], timeout: .seconds(20 * 60))
    /// ```
    ///
    /// Name every status that ends your wait: a candidate that is waited for as `interviewed` may also become `expired`, `failed`
    /// or `unevaluable`. Failures that can pass do not end the wait. Cancelling the task ends it.
    ///
    /// - Parameters:
    ///   - candidateId: the candidate's id
    ///   - jobPositionId: the id of the job position that the candidate applies for
    ///   - until: the statuses
    ///   - timeout: how long to wait; if nil, as long as it takes
    /// - Throws: ``CelperError``, of the kind `timeout` with ``CelperError/lastState`` after the timeout.
    public func waitForStatus(
        _ candidateId: String,
        jobPositionId: String,
        until: [CandidateStatus],
        timeout: Duration? = .seconds(600)
    ) async throws -> CandidateState {
        let options = WatchOptions(
            candidateIds: [candidateId], jobPositionId: jobPositionId, until: until.map(\.rawValue),
            timeout: timeout?.inSeconds ?? .infinity, observed: onEvent != nil, traceparent: nil,
            logLevel: CallLog.level)
        let wait = WatchIteration(native.watch(options: options), onEvent)
        do {
            guard let item = try await wait.next() else { throw wrongOutput("status") }
            return try item.result.get()
        } catch let error as CelperError {
            // The reads had events of their own; an error that is none of theirs has one here.
            if error.record == nil { onEvent?(CallEvent(operation: "status", .failure(error))) }
            throw error
        }
    }

    /// Gives the state of each candidate, and then each change, until no candidate is left or the loop is left.
    ///
    /// ```swift
    /// for try await item in client.watchCandidates(["cand_1", "cand_2"], jobPositionId: "pos_abc123") {
    ///     print(item.candidateId, item.state?.status.rawValue ?? item.error?.description ?? "")
    /// }
    /// ```
    ///
    /// Nothing happens until it is iterated over; each iteration is a watch of its own.
    ///
    /// - Parameters:
    ///   - candidateIds: the candidates' ids
    ///   - jobPositionId: the id of the candidates' job position
    public func watchCandidates(
        _ candidateIds: [String],
        jobPositionId: String
    ) -> Watch {
        let native = native
        let onEvent = onEvent
        return Watch {
            let options = WatchOptions(
                candidateIds: candidateIds, jobPositionId: jobPositionId, until: nil, timeout: nil,
                observed: onEvent != nil, traceparent: nil, logLevel: CallLog.level)
            return WatchIteration(native.watch(options: options), onEvent)
        }
    }

    /// Carries out any number of requests, as fast as the rate limit allows, and gives an item for each as it ends.
    ///
    /// ```swift
    /// let requests = ["cand_1", "cand_2"].map { CandidateRequest.invite(InviteRequest($0, jobPositionId: "pos_abc123")) }
    /// for try await item in client.batch(requests, batchId: "spring-2026") {
    ///     print(item.request.candidateId, item.error?.description ?? "ok")
    /// }
    /// ```
    ///
    /// Nothing happens until the batch is iterated over. Errors of requests are items.
    ///
    /// - Parameters:
    ///   - requests: the requests, which are read as they are needed: at most 72 are read ahead
    ///   - batchId: names the batch: its actions' idempotency keys are derived from it, so that the same batch, run again
    ///     within 24 hours, performs no action twice
    ///   - journal: the path of a file that records what was sent and what has ended, so that a run after a crash continues
    ///     where the first one stopped; it is created if it does not exist
    ///   - total: the number of requests, for ``Batch/progress``; if nil, that of a collection such as an array
    public func batch<Requests: Sequence>(
        _ requests: sending Requests,
        batchId: String? = nil,
        journal: String? = nil,
        total: Int? = nil
    ) -> Batch where Requests.Element == CandidateRequest {
        // Other collections may have to be walked through to be counted.
        let total = total ?? (requests as? any RandomAccessCollection)?.count
        return Batch(nativeBatch(batchId, journal, total), onEvent) { run in
            for request in requests {
                guard await run.push(request) else { return }
            }
        }
    }

    /// The same with an asynchronous sequence.
    public func batch<Requests: AsyncSequence>(
        _ requests: sending Requests,
        batchId: String? = nil,
        journal: String? = nil,
        total: Int? = nil
    ) -> Batch where Requests.Element == CandidateRequest {
        Batch(nativeBatch(batchId, journal, total), onEvent) { run in
            for try await request in requests {
                guard await run.push(request) else { return }
            }
        }
    }

    /// Closes the client. Running calls finish; new calls throw an error of the kind `invalidArgument`. A client that is
    /// deallocated is closed as well.
    public func close() { native.closeClient() }

    /// The base URL that requests are sent to.
    public var baseURL: String { native.options().baseUrl }

    /// The timeout of a whole call; nil where there is none.
    public var timeout: Duration? { native.options().timeout.map(Duration.seconds) }

    /// The timeout of one HTTP attempt.
    public var attemptTimeout: Duration { .seconds(native.options().attemptTimeout) }

    /// The maximum number of attempts after the first one.
    public var maxRetries: Int { Int(native.options().maxRetries) }

    /// The rate limits that calls are paced to; nil if pacing is off.
    public var rateLimits: RateLimits? {
        native.options().rateLimits.map {
            RateLimits(
                reads: Int($0.reads), actions: Int($0.actions), total: Int($0.total), window: .seconds($0.window))
        }
    }

    /// Which processes share the rate limits; a URL without user and password.
    public var rateLimitStore: String { native.options().rateLimitStore }

    /// The name under which clients share the rate limits; nil if those with the same key do.
    public var rateLimitName: String? { native.options().rateLimitName }

    /// The client's base URL as text. It does not contain the key.
    public var description: String { "Celper(baseURL: \(baseURL))" }

    private func decide(
        _ operation: String, _ candidateId: String, _ jobPositionId: String, _ idempotencyKey: String?,
        _ timeout: Duration?, _ maxRetries: Int?
    ) async throws -> Decision {
        let input = callInput(
            operation, candidateId, jobPositionId, idempotencyKey: idempotencyKey, timeout: timeout,
            maxRetries: maxRetries)
        guard case .decision(let decision) = try await call(input) else { throw wrongOutput(operation) }
        return decision
    }

    private func call(_ input: CallInput) async throws -> CandidateResult {
        // If the task is already cancelled, send nothing.
        try Task.checkCancellation()
        // The generated code ignores the task's cancellation.
        let cancel = CancelToken()
        let native = native
        let outcome = await withTaskCancellationHandler {
            await native.call(input: input, cancel: cancel)
        } onCancel: {
            cancel.cancel()
        }
        if case .cancelled = outcome { throw CancellationError() }
        let result = outcome.result
        onEvent?(CallEvent(operation: input.operation, result))
        return try result.get()
    }

    private func nativeBatch(_ batchId: String?, _ journal: String?, _ total: Int?) -> NativeBatch {
        native.batch(
            options: BatchOptions(
                batchId: batchId, journal: journal, total: total.map { UInt64(clamping: $0) }, logLevel: CallLog.level))
    }
}

func callInput(
    _ operation: String, _ candidateId: String, _ jobPositionId: String, emailSubject: String? = nil,
    emailBody: String? = nil, idempotencyKey: String? = nil, timeout: Duration?, maxRetries: Int?
) -> CallInput {
    CallInput(
        operation: operation, candidateId: candidateId, jobPositionId: jobPositionId, emailSubject: emailSubject,
        emailBody: emailBody, idempotencyKey: idempotencyKey, timeout: timeout?.inSeconds,
        maxRetries: maxRetries.map(Int64.init), traceparent: nil, logLevel: CallLog.level)
}

func wrongOutput(_ operation: String) -> CelperError {
    let message = "internal error in the SDK: the result is another operation's; please report it"
    return CelperError(
        Failure(
            kind: CelperError.Kind.internal.rawValue, message: message, text: "\(operation): \(message)",
            operation: operation, status: nil, code: nil, requestId: nil, retryAfter: nil, attempts: 0,
            rateLimit: nil, idempotencyKey: nil, outcomeUnknown: operation != "status", cause: nil, record: nil,
            lastState: nil))
}

extension Duration {
    /// The duration in seconds. It may be negative; the core rejects that with the option's name.
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

extension Timestamp {
    var date: Date { Date(timeIntervalSince1970: Double(seconds) + Double(nanoseconds) / 1e9) }
}

extension RateLimitHeaders {
    var rateLimit: RateLimit { RateLimit(limit: limit, remaining: remaining, resetAt: resetAt?.date) }
}

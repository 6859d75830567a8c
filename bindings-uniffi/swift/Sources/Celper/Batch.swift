internal import CelperGenerated
import Foundation

/// Many requests that are carried out as one: the sequence of their results.
///
/// ```swift
/// let requests = ["cand_1", "cand_2"].map { CandidateRequest.invite(InviteRequest($0, jobPositionId: "pos_abc123")) }
/// let batch = client.batch(requests, batchId: "spring-2026")
/// for try await item in batch {
///     print(item.request.candidateId, item.error?.description ?? "ok", batch.progress.done)
/// }
/// ```
///
/// Iterating over it starts it. Each request gives one item, in the order in which they end. It runs once: iterating again throws
/// an error of the kind `invalidArgument`. To run the same requests again, create another batch; with the same batch id or journal
/// that performs no action twice.
///
/// - **An error is an item**, and does not stop the batch. Errors that every further request would get too (401, 403, a closed
///   client) end it: the other requests come as items that were not attempted.
/// - **Leaving early** (`break`, an error in the loop) starts nothing more, and requests under way finish in the background;
///   ``leave()`` waits for them.
/// - **Cancelling** the task drops the requests under way and throws `CancellationError`. Their outcome is unknown; with a
///   journal, the next run finds it out.
/// - **The source** runs in a task of its own. If it throws, requests under way finish, and after the last item the error is
///   thrown. When the batch needs no more requests, that task is cancelled.
public final class Batch: AsyncSequence, Sendable, CustomStringConvertible {
    /// The item of one request.
    public typealias Element = BatchItem

    private let run: BatchRun

    init(_ native: NativeBatch, _ onEvent: EventHandler?, feed: @escaping (BatchRun) async throws -> Void) {
        run = BatchRun(native, onEvent, feed)
    }

    /// How far the batch is. It can be read at any time, before and after the iteration too.
    public var progress: BatchProgress { BatchProgress(run.native.progress()) }

    /// The batch's name: the given one, or the one in the journal; nil until it is started.
    public var batchId: String? { run.native.progress().batchId }

    /// Starts nothing more. Requests under way finish, and give the last items.
    public func stop() { _ = run.native.stop(cancel: false) }

    /// Starts nothing more, and waits until the requests under way have finished and the journal is closed. Cancelling the
    /// task drops them.
    public func leave() async {
        let run = run
        stop()
        await withTaskCancellationHandler {
            _ = await run.native.wait(wait: .finished)
        } onCancel: {
            _ = run.native.stop(cancel: true)
        }
    }

    /// The progress as text.
    public var description: String { "Batch(\(progress))" }

    /// The items.
    public func makeAsyncIterator() -> Iterator { Iterator(iteration: BatchIteration(run)) }

    /// Gives the items in the order in which the requests end.
    public struct Iterator: AsyncIteratorProtocol {
        let iteration: BatchIteration

        /// The next item; nil after the last one.
        ///
        /// - Throws: `CancellationError` if the task is cancelled; what the source of the requests has thrown, after the last
        ///   item; ``CelperError`` of the kind `invalidArgument` before the first item, if an option is invalid or the journal
        ///   cannot be used.
        public mutating func next() async throws -> BatchItem? { try await iteration.next() }
    }
}

/// How one request of a ``Batch`` ended.
public struct BatchItem: Sendable {
    /// The position of the request in the input, from 0.
    public let index: Int
    /// The request.
    public let request: CandidateRequest
    /// The result, or why there is none.
    public let result: Result<CandidateResult, CelperError>
    /// The idempotency key under which an action was sent; nil for reads, and for what was not sent.
    public let idempotencyKey: String?
    /// Whether the result is from an earlier run: this run sent no action.
    public let resumed: Bool
    /// Whether nothing was sent, because the batch was ended. The error is of the kind that ended it.
    public let notAttempted: Bool
    /// Whether the candidate's status shows that the action has taken place in an earlier run; the result is then a state.
    public let alreadyDone: Bool

    /// The error, if there is no result.
    public var error: CelperError? {
        if case .failure(let error) = result { error } else { nil }
    }
}

/// The result of any operation.
public enum CandidateResult: Hashable, Sendable {
    /// The result of reading a status, or of an action that has been done already.
    case state(CandidateState)
    /// The result of inviting.
    case invitation(Invitation)
    /// The result of selecting or rejecting.
    case decision(Decision)
}

/// How far a ``Batch`` is.
public struct BatchProgress: Hashable, Sendable {
    /// Requests that have ended: ``succeeded``, ``failed`` and ``notAttempted``.
    public let done: Int
    /// Requests with a result, those of earlier runs included.
    public let succeeded: Int
    /// Requests with an error.
    public let failed: Int
    /// Requests that were not attempted, because the batch was ended.
    public let notAttempted: Int
    /// Requests whose result is from an earlier run.
    public let resumed: Int
    /// Requests that were sent and have not ended.
    public let inFlight: Int
    /// The number of all requests; nil as long as it is unknown.
    public let total: Int?
    /// The time until all are done, as far as the rate limit decides it; nil as long as it is unknown.
    public let eta: Duration?
    /// The time until the next request is sent, when the rate limit lets none through now.
    public let rateLimitWait: Duration?

    init(_ counts: BatchCounts) {
        done = Int(counts.done)
        succeeded = Int(counts.succeeded)
        failed = Int(counts.failed)
        notAttempted = Int(counts.notAttempted)
        resumed = Int(counts.resumed)
        inFlight = Int(counts.inFlight)
        total = counts.total.map { Int(clamping: $0) }
        eta = counts.eta.map(Duration.seconds)
        rateLimitWait = counts.rateLimitWait.map(Duration.seconds)
    }
}

/// What a batch's iteration and the task that feeds it share. That task alone uses `feed`.
final class BatchRun: @unchecked Sendable {
    let native: NativeBatch
    let onEvent: EventHandler?
    private let feed: (BatchRun) async throws -> Void
    private let lock = NSLock()
    private var feeder: Task<Void, Never>?
    /// The requests whose items have not come yet.
    private var requests: [UInt64: CandidateRequest] = [:]
    private var next: UInt64 = 0
    private var wanted: UInt32 = 0
    /// What the source threw.
    private var sourceError: (any Error)?

    init(_ native: NativeBatch, _ onEvent: EventHandler?, _ feed: @escaping (BatchRun) async throws -> Void) {
        self.native = native
        self.onEvent = onEvent
        self.feed = feed
    }

    func startFeeder() {
        let task = Task {
            do {
                try await feed(self)
                native.endRows(error: nil)
            } catch {
                if Task.isCancelled { return }
                lock.withLock { sourceError = error }
                native.endRows(error: "the source of the requests failed: \(type(of: error))")
            }
        }
        lock.withLock { feeder = task }
    }

    func cancelFeeder() { lock.withLock { feeder }?.cancel() }

    func takeSourceError() -> (any Error)? {
        lock.withLock {
            defer { sourceError = nil }
            return sourceError
        }
    }

    /// False: the batch takes no more.
    func push(_ request: CandidateRequest) async -> Bool {
        if lock.withLock({ wanted }) == 0 {
            guard case .wantsRows(let count) = await native.wait(wait: .rows), count > 0 else { return false }
            lock.withLock { wanted = count }
        }
        let index = lock.withLock {
            defer { next += 1 }
            wanted -= 1
            requests[next] = request
            return next
        }
        let taken = native.push(row: request.input, refused: nil)
        if !taken { _ = takeRequest(index) }
        return taken
    }

    func takeRequest(_ index: UInt64) -> CandidateRequest? { lock.withLock { requests.removeValue(forKey: index) } }
}

/// An iteration over a batch. When nothing refers to it any more, the loop has been left.
final class BatchIteration {
    private let run: BatchRun
    private var isStarted = false
    private var isEnded = false

    init(_ run: BatchRun) { self.run = run }

    deinit {
        guard isStarted && !isEnded else { return }
        _ = run.native.stop(cancel: false)
        run.cancelFeeder()
    }

    func next() async throws -> BatchItem? {
        if isEnded { return nil }
        if !isStarted { try await start() }
        let run = run
        // The generated code ignores the task's cancellation.
        let event = await withTaskCancellationHandler {
            await run.native.wait(wait: .item)
        } onCancel: {
            _ = run.native.stop(cancel: true)
        }
        if Task.isCancelled {
            end()
            _ = run.native.stop(cancel: true)
            _ = await run.native.wait(wait: .finished)
            throw CancellationError()
        }
        switch event {
        case .item(let index, let outcome, let idempotencyKey, let resumed, let notAttempted, let alreadyDone):
            guard let request = run.takeRequest(index) else { return nil }
            let result = outcome.result
            let event = CallEvent(operation: request.input.operation, result)
            // The others are of an earlier run, or were not attempted.
            if event.lazyRecord.bytes != nil || (event.error != nil && !notAttempted) { run.onEvent?(event) }
            return BatchItem(
                index: Int(index), request: request, result: result, idempotencyKey: idempotencyKey,
                resumed: resumed, notAttempted: notAttempted, alreadyDone: alreadyDone)
        case .failed(let failure):
            end()
            throw CelperError(failure)
        case .ready, .wantsRows, .end, .watched, .read:
            end()
            if let error = run.takeSourceError() { throw error }
            return nil
        }
    }

    private func start() async throws {
        try Task.checkCancellation()
        if case .failed(let failure) = await run.native.wait(wait: .start) {
            isEnded = true
            throw CelperError(failure)
        }
        isStarted = true
        run.startFeeder()
    }

    private func end() {
        isEnded = true
        run.cancelFeeder()
    }
}

extension Outcome {
    var result: Result<CandidateResult, CelperError> {
        switch self {
        case .succeeded(let output, let requestId, let headers, let attempts, let record):
            .success(output.result(requestId, headers?.rateLimit, Int(attempts)).with(LazyRecord(bytes: record)))
        case .failed(let failure): .failure(CelperError(failure))
        case .cancelled: .failure(wrongOutput("batch"))
        }
    }
}

extension CandidateResult {
    var lazyRecord: LazyRecord {
        switch self {
        case .state(let state): state.lazyRecord
        case .invitation(let invitation): invitation.lazyRecord
        case .decision(let decision): decision.lazyRecord
        }
    }

    fileprivate func with(_ record: LazyRecord) -> CandidateResult {
        switch self {
        case .state(var state):
            state.lazyRecord = record
            return .state(state)
        case .invitation(var invitation):
            invitation.lazyRecord = record
            return .invitation(invitation)
        case .decision(var decision):
            decision.lazyRecord = record
            return .decision(decision)
        }
    }
}

extension Output {
    fileprivate func result(_ requestId: String?, _ rateLimit: RateLimit?, _ attempts: Int) -> CandidateResult {
        switch self {
        case .state(let status, let analysisViewed, let interviewScore):
            .state(
                CandidateState(
                    status: CandidateStatus(rawValue: status), analysisViewed: analysisViewed,
                    interviewScore: interviewScore, requestId: requestId, rateLimit: rateLimit, attempts: attempts))
        case .invitation(let invited, let sessionId, let emailDelivery, let expiresAt):
            .invitation(
                Invitation(
                    invited: invited, sessionId: sessionId, emailDelivery: emailDelivery, expiresAt: expiresAt.date,
                    requestId: requestId, rateLimit: rateLimit, attempts: attempts))
        case .decision(let status):
            .decision(
                Decision(
                    status: CandidateStatus(rawValue: status), requestId: requestId, rateLimit: rateLimit,
                    attempts: attempts))
        }
    }
}

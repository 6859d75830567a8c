internal import CelperGenerated

/// A watch of candidates: the sequence of what is seen of them.
///
/// ```swift
/// for try await item in client.watchCandidates(["cand_1", "cand_2"], jobPositionId: "pos_abc123") {
///     print(item.candidateId, item.state?.status.rawValue ?? item.error?.description ?? "")
/// }
/// ```
///
/// Iterating over it starts a watch, which gives the state of each candidate, and then each change. It ends when the loop is left, when
/// no candidate is left, or when the task is cancelled, which throws `CancellationError`. What would fail for every candidate, for
/// example a rejected key, is thrown.
public final class Watch: AsyncSequence, Sendable {
    /// What was seen of one candidate.
    public typealias Element = WatchItem

    private let start: @Sendable () -> WatchIteration

    init(start: @escaping @Sendable () -> WatchIteration) { self.start = start }

    /// The items.
    public func makeAsyncIterator() -> Iterator { Iterator(iteration: start()) }

    /// Gives the items.
    public struct Iterator: AsyncIteratorProtocol {
        let iteration: WatchIteration

        /// The next item; nil when no candidate is left.
        ///
        /// - Throws: `CancellationError` if the task is cancelled; ``CelperError`` for what ends the watch.
        public mutating func next() async throws -> WatchItem? { try await iteration.next() }
    }
}

/// What a ``Watch`` has seen of a candidate.
public struct WatchItem: Sendable {
    /// The candidate's id.
    public let candidateId: String
    /// Its state now, or why it is no longer watched.
    public let result: Result<CandidateState, CelperError>
    /// Its status before; nil in its first item.
    public let previousStatus: CandidateStatus?

    /// Its state now; nil if there is an error.
    public var state: CandidateState? { try? result.get() }

    /// Why it is no longer watched; nil if there is a state.
    public var error: CelperError? {
        if case .failure(let error) = result { error } else { nil }
    }
}

/// An iteration over a watch, or a wait, which is a watch of one item. When nothing refers to it any more, the loop has been left.
final class WatchIteration {
    private let native: NativeBatch
    private let onEvent: EventHandler?
    private var isStarted = false
    private var isEnded = false

    init(_ native: NativeBatch, _ onEvent: EventHandler?) {
        self.native = native
        self.onEvent = onEvent
    }

    deinit { native.stop(cancel: true).forEach { _ = tell($0) } }

    /// The next item. `onEvent` is told of the reads before it.
    func next() async throws -> WatchItem? {
        if isEnded { return nil }
        let native = native
        var event = BatchEvent.ready
        if !isStarted {
            try Task.checkCancellation()
            isStarted = true
            event = await native.wait(wait: .start)
        }
        if case .ready = event {
            repeat {
                // The generated code ignores the task's cancellation.
                event = await withTaskCancellationHandler {
                    await native.wait(wait: .item)
                } onCancel: {
                    _ = native.stop(cancel: true)
                }
            } while !Task.isCancelled && tell(event)
        }
        if Task.isCancelled {
            isEnded = true
            throw CancellationError()
        }
        if case .watched(let candidateId, let outcome, let previousStatus) = event {
            let result = outcome.result.flatMap { output -> Result<CandidateState, CelperError> in
                guard case .state(let state) = output else { return .failure(wrongOutput("status")) }
                return .success(state)
            }
            return WatchItem(
                candidateId: candidateId, result: result,
                previousStatus: previousStatus.map(CandidateStatus.init(rawValue:)))
        }
        isEnded = true
        if case .failed(let failure) = event { throw CelperError(failure) }
        return nil
    }

    /// False: the event is no read.
    private func tell(_ event: BatchEvent) -> Bool {
        guard case .read(_, _, let record, let failure) = event else { return false }
        onEvent?(CallEvent(record, failure.map { CelperError($0) }))
        return true
    }
}

import Celper

/// What the source of a batch throws.
private struct SourceError: Error {
    let text: String
}

extension Command {
    /// Carries out a batch that the harness requests.
    func batch(_ client: Celper?) async throws -> [String: Any] {
        guard let client, let rows = requests else { throw InvalidCommand("incomplete batch: \(self)") }
        let requests = try rows.map { try $0.request() }
        let batch =
            if let sourceError {
                client.batch(failing(requests, sourceError), batchId: options?.batchId, journal: options?.journal)
            } else {
                client.batch(requests, batchId: options?.batchId, journal: options?.journal)
            }
        var items: [[String: Any]] = []
        var thrown: String?
        do {
            for try await item in batch {
                items.append(report(item))
                if items.count == leaveAfter { break }
            }
        } catch let error as SourceError {
            thrown = error.text
        }
        await batch.leave()
        let progress = batch.progress
        return [
            "batch": [
                "items": items, "batch_id": orNull(batch.batchId), "source_error": orNull(thrown),
                "strings": strings(batch),
                "progress": [
                    "done": progress.done, "succeeded": progress.succeeded, "failed": progress.failed,
                    "not_attempted": progress.notAttempted, "resumed": progress.resumed,
                    "total": orNull(progress.total),
                ],
            ]
        ]
    }
}

private func failing(
    _ requests: [CandidateRequest], _ error: String
) -> AsyncThrowingStream<CandidateRequest, any Error> {
    AsyncThrowingStream { source in
        for request in requests { source.yield(request) }
        source.finish(throwing: SourceError(text: error))
    }
}

extension Command.Row {
    fileprivate func request() throws -> CandidateRequest {
        let (candidate, position, key, retries) = (
            arguments.candidateId, arguments.jobPositionId, arguments.idempotencyKey, arguments.maxRetries
        )
        let timeout = arguments.timeout.map(Duration.seconds)
        switch operation {
        case "status":
            return .status(StatusRequest(candidate, jobPositionId: position, timeout: timeout, maxRetries: retries))
        case "invite":
            return .invite(
                InviteRequest(
                    candidate, jobPositionId: position, emailSubject: arguments.emailSubject,
                    emailBody: arguments.emailBody, idempotencyKey: key, timeout: timeout, maxRetries: retries))
        case "select":
            return .select(
                SelectRequest(
                    candidate, jobPositionId: position, idempotencyKey: key, timeout: timeout, maxRetries: retries))
        case "reject":
            return .reject(
                RejectRequest(
                    candidate, jobPositionId: position, idempotencyKey: key, timeout: timeout, maxRetries: retries))
        default: throw InvalidCommand("unknown operation \(operation)")
        }
    }
}

private func report(_ item: BatchItem) -> [String: Any] {
    let outcome =
        switch item.result {
        case .success(.state(let state)): returned(state)
        case .success(.invitation(let invitation)): returned(invitation)
        case .success(.decision(let decision)): returned(decision)
        case .failure(let error): thrown(error)
        }
    return outcome.merging([
        "index": item.index, "candidate_id": item.request.candidateId, "idempotency_key": orNull(item.idempotencyKey),
        "resumed": item.resumed, "not_attempted": item.notAttempted, "already_done": item.alreadyDone,
    ]) { $1 }
}

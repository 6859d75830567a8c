// The responses to the harness: results, errors and clients as JSON.

import Celper
import Foundation

private let writeLock = NSLock()

func respond(_ id: Int, _ response: [String: Any]) { write(response.merging(["id": id]) { $1 }) }

/// Writes one line. Any thread can call this.
func write(_ response: [String: Any]) {
    do {
        let line = try JSONSerialization.data(withJSONObject: response) + Data("\n".utf8)
        try writeLock.withLock { try FileHandle.standardOutput.write(contentsOf: line) }
    } catch {
        fatalError("\(response) cannot be written: \(error)")
    }
}

func opened(_ client: Celper) -> [String: Any] { ["opened": ["strings": strings(client)]] }

func returned(_ state: CandidateState) -> [String: Any] {
    returned(state, stateFields(state), state.requestId, state.rateLimit, state.attempts)
}

func returned(_ invitation: Invitation) -> [String: Any] {
    let fields: [String: Any] = [
        "invited": invitation.invited, "session_id": invitation.sessionId,
        "email_delivery": invitation.emailDelivery, "expires_at": milliseconds(invitation.expiresAt),
    ]
    return returned(invitation, fields, invitation.requestId, invitation.rateLimit, invitation.attempts)
}

func returned(_ decision: Decision) -> [String: Any] {
    returned(decision, statusFields(decision.status), decision.requestId, decision.rateLimit, decision.attempts)
}

private func returned(
    _ result: Any, _ fields: [String: Any], _ requestId: String?, _ rateLimit: RateLimit?, _ attempts: Int
) -> [String: Any] {
    let common: [String: Any] = [
        "type": "\(type(of: result))", "request_id": orNull(requestId), "rate_limit": orNull(rateLimit.map(headers)),
        "attempts": attempts, "strings": strings(result),
    ]
    return ["result": common.merging(fields) { $1 }]
}

private func headers(_ rateLimit: RateLimit) -> [String: Any] {
    [
        "limit": orNull(rateLimit.limit), "remaining": orNull(rateLimit.remaining),
        "reset_at": orNull(rateLimit.resetAt.map(milliseconds)),
    ]
}

private func stateFields(_ state: CandidateState) -> [String: Any] {
    let fields: [String: Any] = [
        "analysis_viewed": state.analysisViewed, "interview_score": orNull(state.interviewScore),
    ]
    return fields.merging(statusFields(state.status)) { $1 }
}

private func statusFields(_ status: CandidateStatus) -> [String: Any] {
    ["status": status.rawValue, "status_known": CandidateStatus.known.contains(status)]
}

func thrown(_ thrown: any Error) -> [String: Any] {
    switch thrown {
    case let error as CelperError: ["error": errorFields(error)]
    case is CancellationError: ["cancelled": "\(type(of: thrown))"]
    default: ["crash": String(reflecting: thrown)]
    }
}

private func errorFields(_ error: CelperError) -> [String: Any] {
    [
        "kind": error.kind.rawValue,
        "message": error.message,
        "operation": error.operation,
        "status": orNull(error.status),
        "code": orNull(error.code),
        "request_id": orNull(error.requestId),
        "retry_after": orNull(error.retryAfter.map { $0 / .seconds(1) }),
        "attempts": error.attempts,
        "rate_limit": orNull(error.rateLimit.map(headers)),
        "idempotency_key": orNull(error.idempotencyKey),
        "outcome_unknown": error.outcomeUnknown,
        "last_state": orNull(error.lastState.map(stateFields)),
        "class": "\(error.kind)",
        "classes": ["\(type(of: error))"],
        "text": error.description,
        "strings": strings(error),
    ]
}

private func milliseconds(_ date: Date) -> Int { Int((date.timeIntervalSince1970 * 1000).rounded()) }

func orNull(_ value: Any?) -> Any { value ?? NSNull() }

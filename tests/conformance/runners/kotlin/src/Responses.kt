// The responses to the harness: results, errors and clients as JSON.

import ai.celper.CandidateState
import ai.celper.CandidateStatus
import ai.celper.Celper
import ai.celper.CelperException
import ai.celper.Decision
import ai.celper.Invitation
import ai.celper.RateLimit
import com.google.gson.GsonBuilder
import kotlinx.coroutines.CancellationException

typealias Response = Map<String, Any?>

private val gson = GsonBuilder().serializeNulls().disableHtmlEscaping().create()

/** Writes one line. Any thread can call this. */
fun write(response: Response) {
    val line = "${gson.toJson(response)}\n".toByteArray()
    synchronized(gson) {
        System.out.write(line)
        System.out.flush()
    }
}

fun opened(client: Celper): Response = mapOf("opened" to mapOf("strings" to strings(client)))

fun returned(result: Any): Response {
    val fields = when (result) {
        is CandidateState -> stateFields(result)
        is Invitation -> with(result) {
            mapOf(
                "invited" to invited, "session_id" to sessionId, "email_delivery" to emailDelivery,
                "expires_at" to expiresAt.toEpochMilli(),
            ) + commonFields(requestId, rateLimit, attempts)
        }
        is Decision -> with(result) { statusFields(status) + commonFields(requestId, rateLimit, attempts) }
        else -> error("unknown result type: $result")
    }
    return mapOf("result" to mapOf("type" to result.javaClass.simpleName) + fields + ("strings" to strings(result)))
}

private fun stateFields(state: CandidateState): Response = with(state) {
    statusFields(status) + mapOf("analysis_viewed" to analysisViewed, "interview_score" to interviewScore) +
        commonFields(requestId, rateLimit, attempts)
}

private fun statusFields(status: CandidateStatus): Response =
    mapOf("status" to status.value, "status_known" to (status !is CandidateStatus.Unknown))

private fun commonFields(requestId: String?, rateLimit: RateLimit?, attempts: Int): Response =
    mapOf("request_id" to requestId, "rate_limit" to rateLimit?.let(::headers), "attempts" to attempts)

private fun headers(rateLimit: RateLimit): Response = with(rateLimit) {
    mapOf("limit" to limit, "remaining" to remaining, "reset_at" to resetAt?.toEpochMilli())
}

fun thrown(thrown: Throwable): Response = when (thrown) {
    is CelperException -> mapOf("error" to errorFields(thrown))
    // The name that programs catch. What coroutines throw is a private subclass.
    is CancellationException -> mapOf("cancelled" to "CancellationException")
    else -> mapOf("crash" to thrown.stackTraceToString())
}

private fun errorFields(error: CelperException): Response = mapOf(
    "kind" to error.kind,
    "message" to error.detail,
    "operation" to error.operation,
    "status" to error.status,
    "code" to error.code,
    "request_id" to error.requestId,
    "retry_after" to error.retryAfterSeconds,
    "attempts" to error.attempts,
    "rate_limit" to error.rateLimit?.let(::headers),
    "idempotency_key" to error.idempotencyKey,
    "outcome_unknown" to error.outcomeUnknown,
    "last_state" to error.lastState?.let(::stateFields),
    "class" to error.javaClass.simpleName,
    "classes" to generateSequence<Class<*>>(error.javaClass) { it.superclass }.map { it.simpleName }.toList(),
    "text" to error.message,
    "strings" to strings(error),
)

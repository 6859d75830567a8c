// What came of a request, as the judge reads it.

import ai.celper.CandidateState
import ai.celper.CandidateStatus
import ai.celper.Celper
import ai.celper.CelperException
import ai.celper.Decision
import ai.celper.Invitation
import ai.celper.RateLimit
import com.google.gson.GsonBuilder
import kotlinx.coroutines.CancellationException

typealias Answer = Map<String, Any?>

private val gson = GsonBuilder().serializeNulls().disableHtmlEscaping().create()

/** Writes one line, whole, whoever else writes. */
fun write(answer: Answer) {
    val line = "${gson.toJson(answer)}\n".toByteArray()
    synchronized(gson) {
        System.out.write(line)
        System.out.flush()
    }
}

fun opened(client: Celper): Answer = mapOf("opened" to mapOf("strings" to strings(client)))

fun returned(result: Any): Answer {
    val fields = when (result) {
        is CandidateState -> with(result) {
            named(status) + mapOf("analysis_viewed" to analysisViewed, "interview_score" to interviewScore) +
                from(requestId, rateLimit)
        }
        is Invitation -> with(result) {
            mapOf(
                "invited" to invited, "session_id" to sessionId, "email_delivery" to emailDelivery,
                "expires_at" to expiresAt.toEpochMilli(),
            ) + from(requestId, rateLimit)
        }
        is Decision -> with(result) { named(status) + from(requestId, rateLimit) }
        else -> error("a result of no known type: $result")
    }
    return mapOf("result" to mapOf("type" to result.javaClass.simpleName) + fields + ("strings" to strings(result)))
}

private fun named(status: CandidateStatus): Answer =
    mapOf("status" to status.value, "status_known" to (status !is CandidateStatus.Unknown))

private fun from(requestId: String?, rateLimit: RateLimit?): Answer = mapOf(
    "request_id" to requestId,
    "rate_limit" to rateLimit?.run {
        mapOf("limit" to limit, "remaining" to remaining, "reset_at" to resetAt?.toEpochMilli())
    },
)

fun thrown(thrown: Throwable): Answer = when (thrown) {
    is CelperException -> mapOf("error" to failed(thrown))
    // By the name that one catches it by; the coroutines' own is a subclass that nobody sees.
    is CancellationException -> mapOf("cancelled" to "CancellationException")
    else -> mapOf("crash" to thrown.stackTraceToString())
}

private fun failed(error: CelperException): Answer = mapOf(
    "kind" to error.kind,
    "message" to error.detail,
    "operation" to error.operation,
    "status" to error.status,
    "code" to error.code,
    "request_id" to error.requestId,
    "retry_after" to error.retryAfterSeconds,
    "attempts" to error.attempts,
    "idempotency_key" to error.idempotencyKey,
    "outcome_unknown" to error.outcomeUnknown,
    "class" to error.javaClass.simpleName,
    "classes" to generateSequence<Class<*>>(error.javaClass) { it.superclass }.map { it.simpleName }.toList(),
    "text" to error.message,
    "strings" to strings(error),
)

// Carries out the batches that the harness requests.

import ai.celper.BatchItem
import ai.celper.CandidateRequest
import ai.celper.Celper
import ai.celper.InviteRequest
import ai.celper.RejectRequest
import ai.celper.SelectRequest
import ai.celper.StatusRequest
import com.google.gson.JsonObject
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.take
import kotlin.time.Duration.Companion.seconds

private class SourceError(text: String) : Exception(text)

suspend fun JsonObject.batch(client: Celper): Response {
    val requests = getAsJsonArray("requests").map { request(it.asJsonObject) }
    val options = getAsJsonObject("options")
    val failure = optional("source_error")?.asString
    val (id, journal) = listOf("batch_id", "journal").map { options.optional(it)?.asString }
    val batch = if (failure == null) client.batch(requests, id, journal) else client.batch(failing(requests, failure), id, journal)
    val items = mutableListOf<Response>()
    val thrown = try {
        (optional("leave_after")?.let { batch.take(it.asInt) } ?: batch).collect { items += report(it) }
        null
    } catch (error: SourceError) {
        error.message
    }
    val progress = with(batch.progress) {
        mapOf(
            "done" to done, "succeeded" to succeeded, "failed" to failed, "not_attempted" to notAttempted, "resumed" to resumed,
            "total" to total,
        )
    }
    return mapOf(
        "batch" to mapOf(
            "items" to items, "batch_id" to batch.batchId, "progress" to progress, "source_error" to thrown, "strings" to strings(batch),
        ),
    )
}

private fun failing(requests: List<CandidateRequest>, failure: String): Flow<CandidateRequest> = flow {
    requests.forEach { emit(it) }
    throw SourceError(failure)
}

private fun request(request: JsonObject): CandidateRequest {
    val arguments = request.getAsJsonObject("arguments")
    val candidate = arguments["candidate_id"].asString
    val position = arguments["job_position_id"].asString
    val key = arguments.text("idempotency_key")
    val timeout = arguments["timeout"]?.asDouble?.seconds
    val retries = arguments.count("max_retries")
    return when (val operation = request.text("operation")) {
        "status" -> StatusRequest(candidate, position, timeout, retries)
        "invite" -> InviteRequest(
            candidate, position, arguments.text("email_subject"), arguments.text("email_body"), key, timeout, retries,
        )
        "select" -> SelectRequest(candidate, position, key, timeout, retries)
        "reject" -> RejectRequest(candidate, position, key, timeout, retries)
        else -> error("unknown operation $operation")
    }
}

private fun report(item: BatchItem): Response =
    (item.result?.let(::returned) ?: thrown(checkNotNull(item.error))) + mapOf(
        "index" to item.index, "candidate_id" to item.request.candidateId, "idempotency_key" to item.idempotencyKey,
        "resumed" to item.resumed, "not_attempted" to item.notAttempted, "already_done" to item.alreadyDone,
    )

private fun JsonObject.optional(name: String) = get(name)?.takeUnless { it.isJsonNull }

import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import java.time.Instant
import java.util.UUID

const val API_KEY = "celp_0123456789abcdef0123456789abcdef"
const val OTHER_KEY = "celp_11111111111111111111111111111111"
const val POSITION = "pos_abc123"

/** An answer's HTTP status and body. */
class Answer(val status: Int, val body: String)

/** What an HTTP client does; each request carries the API key, and those with a body are JSON. */
interface Sender : AutoCloseable {
    suspend fun get(path: String): Answer

    fun getBlocking(path: String): Answer

    suspend fun post(path: String, body: String, idempotencyKey: String): Answer

    override fun close() = Unit
}

@Serializable
private class Envelope<T>(val success: Boolean, val requestId: String, val data: T)

@Serializable
private class StateData(val status: String, val analysisViewed: Boolean, val interviewScore: Double? = null)

@Serializable
private class InvitationData(val invited: Boolean, val sessionId: String, val emailDelivery: String, val expiresAt: String)

@Serializable
private class DecisionData(val status: String)

@Serializable
private class ErrorBody(val error: String, val message: String, val requestId: String)

@Serializable
private class ActionBody(val jobPositionId: String, val emailBody: String? = null)

open class ApiException(val status: Int, val code: String, message: String, val requestId: String) :
    Exception("$status $code: $message (request $requestId)")

class MissingException(code: String, message: String, requestId: String) : ApiException(404, code, message, requestId)

private val json = Json { ignoreUnknownKeys = true }

/** The calls by hand, as somebody writes them who has an HTTP client only: the answer's JSON read into typed values. */
class ByHand(private val sender: Sender) : Calls {
    override suspend fun status(candidate: String): State = state(sender.get(statusPath(candidate)))

    override fun statusBlocking(candidate: String): State = state(sender.getBlocking(statusPath(candidate)))

    override suspend fun invite(candidate: String, emailBody: String): Invitation =
        with(act<InvitationData>(candidate, "invite", emailBody)) {
            Invitation(data.invited, data.sessionId, data.emailDelivery, Instant.parse(data.expiresAt), requestId)
        }

    override suspend fun select(candidate: String): String = act<DecisionData>(candidate, "select").data.status

    override suspend fun reject(candidate: String): String = act<DecisionData>(candidate, "reject").data.status

    override suspend fun missing(candidate: String): Missing =
        try {
            error(status(candidate))
        } catch (e: MissingException) {
            Missing(e.status, e.code, e.requestId)
        }

    override fun close() = sender.close()

    private fun statusPath(candidate: String) = "/v1/candidates/$candidate/status?jobPositionId=$POSITION"

    private fun state(answer: Answer): State =
        with(read<StateData>(answer)) { State(data.status, data.analysisViewed, data.interviewScore, requestId) }

    private suspend inline fun <reified T> act(candidate: String, operation: String, emailBody: String? = null): Envelope<T> {
        val body = json.encodeToString(ActionBody(POSITION, emailBody))
        return read(sender.post("/v1/candidates/$candidate/$operation", body, UUID.randomUUID().toString()))
    }

    private inline fun <reified T> read(answer: Answer): Envelope<T> {
        if (answer.status != 200) {
            val body = json.decodeFromString<ErrorBody>(answer.body)
            if (answer.status == 404) throw MissingException(body.error, body.message, body.requestId)
            throw ApiException(answer.status, body.error, body.message, body.requestId)
        }
        return json.decodeFromString<Envelope<T>>(answer.body).also { check(it.success) { answer.body } }
    }
}

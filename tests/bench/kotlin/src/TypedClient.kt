import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import java.time.Instant
import java.util.UUID

const val API_KEY = "celp_0123456789abcdef0123456789abcdef"
const val OTHER_KEY = "celp_11111111111111111111111111111111"
const val POSITION = "pos_abc123"

/** A response's HTTP status and body. */
class RawResponse(val status: Int, val body: String)

/** An HTTP client. Each request carries the API key; bodies are JSON. */
interface Sender : AutoCloseable {
    suspend fun get(path: String): RawResponse

    fun getBlocking(path: String): RawResponse

    suspend fun post(path: String, body: String, idempotencyKey: String): RawResponse

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

class ApiNotFoundException(code: String, message: String, requestId: String) : ApiException(404, code, message, requestId)

private val json = Json { ignoreUnknownKeys = true }

/** A typed client over a plain HTTP client: sends the requests and parses the responses into typed values. */
class TypedClient(private val sender: Sender) : Calls {
    override suspend fun status(candidate: String): State = state(sender.get(statusPath(candidate)))

    override fun statusBlocking(candidate: String): State = state(sender.getBlocking(statusPath(candidate)))

    override suspend fun invite(candidate: String, emailBody: String): Invitation =
        with(act<InvitationData>(candidate, "invite", emailBody)) {
            Invitation(data.invited, data.sessionId, data.emailDelivery, Instant.parse(data.expiresAt), requestId)
        }

    override suspend fun select(candidate: String): String = act<DecisionData>(candidate, "select").data.status

    override suspend fun reject(candidate: String): String = act<DecisionData>(candidate, "reject").data.status

    override suspend fun missing(candidate: String): ErrorFields =
        try {
            error(status(candidate))
        } catch (e: ApiNotFoundException) {
            ErrorFields(e.status, e.code, e.requestId)
        }

    override fun close() = sender.close()

    private fun statusPath(candidate: String) = "/v1/candidates/$candidate/status?jobPositionId=$POSITION"

    private fun state(response: RawResponse): State =
        with(read<StateData>(response)) { State(data.status, data.analysisViewed, data.interviewScore, requestId) }

    private suspend inline fun <reified T> act(candidate: String, operation: String, emailBody: String? = null): Envelope<T> {
        val body = json.encodeToString(ActionBody(POSITION, emailBody))
        return read(sender.post("/v1/candidates/$candidate/$operation", body, UUID.randomUUID().toString()))
    }

    private inline fun <reified T> read(response: RawResponse): Envelope<T> {
        if (response.status != 200) {
            val body = json.decodeFromString<ErrorBody>(response.body)
            if (response.status == 404) throw ApiNotFoundException(body.error, body.message, body.requestId)
            throw ApiException(response.status, body.error, body.message, body.requestId)
        }
        return json.decodeFromString<Envelope<T>>(response.body).also { check(it.success) { response.body } }
    }
}

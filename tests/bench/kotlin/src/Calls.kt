import kotlinx.coroutines.runBlocking
import java.time.Instant

/** A measured client. The results have the fields that are checked. */
interface Calls : AutoCloseable {
    suspend fun status(candidate: String): State

    /** Blocks the calling thread. */
    fun statusBlocking(candidate: String): State = runBlocking { status(candidate) }

    suspend fun invite(candidate: String, emailBody: String): Invitation

    suspend fun select(candidate: String): String

    suspend fun reject(candidate: String): String

    /** Reads the status of an unknown candidate, and returns the fields of the error. */
    suspend fun missing(candidate: String): ErrorFields
}

class State(val status: String, val analysisViewed: Boolean, val interviewScore: Double?, val requestId: String?)

class Invitation(
    val invited: Boolean,
    val sessionId: String,
    val emailDelivery: String,
    val expiresAt: Instant,
    val requestId: String?,
)

class ErrorFields(val status: Int?, val code: String?, val requestId: String?)

val CLIENTS: Map<String, (String) -> Calls> = mapOf(
    "celper" to { CelperCalls(it, paced = false) },
    "okhttp" to { TypedClient(OkHttpSender(it)) },
    "ktor" to { TypedClient(KtorSender(it)) },
    "java.net.http" to { TypedClient(JavaSender(it)) },
)

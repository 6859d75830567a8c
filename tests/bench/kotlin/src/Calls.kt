import kotlinx.coroutines.runBlocking
import java.time.Instant

/** What is measured; each client gives its own results, of which these are what is checked. */
interface Calls : AutoCloseable {
    suspend fun status(candidate: String): State

    /** From a thread that may block. */
    fun statusBlocking(candidate: String): State = runBlocking { status(candidate) }

    suspend fun invite(candidate: String, emailBody: String): Invitation

    suspend fun select(candidate: String): String

    suspend fun reject(candidate: String): String

    /** The error that an unknown candidate is. */
    suspend fun missing(candidate: String): Missing
}

class State(val status: String, val analysisViewed: Boolean, val interviewScore: Double?, val requestId: String?)

class Invitation(
    val invited: Boolean,
    val sessionId: String,
    val emailDelivery: String,
    val expiresAt: Instant,
    val requestId: String?,
)

class Missing(val status: Int?, val code: String?, val requestId: String?)

val CLIENTS: Map<String, (String) -> Calls> = mapOf(
    "celper" to { CelperCalls(it, paced = false) },
    "okhttp" to { ByHand(OkHttpSender(it)) },
    "ktor" to { ByHand(KtorSender(it)) },
    "java.net.http" to { ByHand(JavaSender(it)) },
)

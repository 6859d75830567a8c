package ai.celper.sandbox

import com.google.gson.JsonParseException
import com.google.gson.JsonParser
import java.io.IOException
import java.net.URLEncoder
import java.security.SecureRandom
import java.time.Duration
import java.time.Instant
import java.util.concurrent.atomic.AtomicInteger

/**
 * A running sandbox, with methods to set it up and to read what happened.
 *
 * ```kotlin
 * Sandbox.start().use { sandbox ->
 *     val candidate = sandbox.createCandidate()
 *     Celper(apiKey = sandbox.apiKey, baseUrl = sandbox.baseUrl, rateLimits = null).use { client ->
 *         client.inviteCandidate(candidate.id, jobPositionId = candidate.jobPositionId)
 *     }
 *     println(sandbox.outbox())
 * }
 * ```
 *
 * It runs until it is closed or this JVM ends, even if it is killed. Its methods block for about a millisecond; they can be called from any
 * thread, and throw a [SandboxException] if the sandbox refuses. With JUnit 5, use [SandboxExtension] instead.
 */
public class Sandbox private constructor(
    private val process: Process,
    /** The `baseUrl` for a client. */
    public val baseUrl: String,
    /** An API key with all scopes. */
    public val apiKey: String,
    /** With `tls`, the certificate to trust, as PEM. */
    public val caCertificate: String?,
) : AutoCloseable {
    private val control = Control(baseUrl, caCertificate)
    private val count = AtomicInteger()

    override fun toString(): String = "Sandbox($baseUrl)"

    /** Stops it and waits until its process has exited. Can be called more than once. */
    override fun close() {
        process.destroy()
        process.waitFor()
    }

    /** The environment variables for a client in another process to call this sandbox with `Celper.fromEnvironment()`. */
    public val environment: Map<String, String>
        get() {
            val loopback = "127.0.0.1,localhost,::1"
            val direct = listOf("NO_PROXY", "no_proxy").associateWith { name ->
                System.getenv(name)?.takeIf { it.isNotEmpty() }?.let { "$it,$loopback" } ?: loopback
            }
            return mapOf("CELPER_BASE_URL" to baseUrl, "CELPER_API_KEY" to apiKey) + direct
        }

    /** Creates a candidate, or replaces the one with the same ids. */
    @JvmOverloads
    public fun createCandidate(description: NewCandidate = NewCandidate()): Candidate {
        val body = mapOf(
            "candidateId" to (description.candidateId ?: "cand_${count.incrementAndGet()}"),
            "jobPositionId" to description.jobPositionId,
            "status" to description.status,
            "analysisViewed" to description.analysisViewed,
            "extra" to description.extra,
        )
        return candidate(control.ask("candidates", body + given("interviewScore" to description.interviewScore)).asJsonObject)
    }

    /** Creates a candidate with this status for the job position `pos_1`. */
    public fun createCandidate(status: String): Candidate = createCandidate(NewCandidate(status = status))

    /** Creates a candidate who can be selected or rejected. */
    public fun createInterviewedCandidate(): Candidate = createCandidate(NewCandidate.interviewed())

    /** Changes fields of a candidate; those that are null stay. */
    @JvmOverloads
    public fun changeCandidate(
        candidateId: String,
        status: String? = null,
        analysisViewed: Boolean? = null,
        interviewScore: Double? = null,
        jobPositionId: String = "pos_1",
    ): Candidate {
        val changes = given("status" to status, "analysisViewed" to analysisViewed, "interviewScore" to interviewScore)
        val body = mapOf("candidateId" to candidateId, "jobPositionId" to jobPositionId) + changes
        return candidate(control.ask("candidates", body, "PATCH").asJsonObject)
    }

    /** All candidates in their current state. */
    public fun candidates(): List<Candidate> = control.ask("candidates").objects().map(::candidate)

    /** One candidate in its current state. */
    @JvmOverloads
    public fun candidate(candidateId: String, jobPositionId: String = "pos_1"): Candidate =
        candidates().find { it.id == candidateId && it.jobPositionId == jobPositionId }
            ?: throw NoSuchElementException("there is no candidate $candidateId for $jobPositionId")

    /** Queues a fault for the next request for a candidate. */
    public fun queueFault(candidateId: String, fault: Fault) {
        control.ask("faults", mapOf("candidateId" to candidateId) + fault.fields)
    }

    /** Removes all pending faults. */
    public fun clearFaults() {
        control.ask("faults", method = "DELETE")
    }

    /** Adds or replaces an API key and returns it. */
    @JvmOverloads
    public fun addKey(key: NewKey = NewKey()): String {
        val body = mapOf("key" to (key.key ?: randomKey()), "state" to key.state.word)
        val limited = given("scopes" to key.scopes?.map { it.text }, "allowlist" to key.allowlist)
        return control.ask("keys", body + limited).asJsonObject.text("key")
    }

    /** Disables or suspends the company's access to the API, or restores it. */
    public fun setCompany(state: CompanyState) {
        control.ask("company", mapOf("state" to state.word))
    }

    /** Changes the rate limits; null turns rate limiting off. */
    public fun setLimits(limits: Limits?) {
        val counts = limits?.run { mapOf("reads" to reads, "actions" to actions, "total" to total, "window" to window.inSeconds) }
        control.ask("limits", counts.orEmpty() + ("enabled" to (limits != null)))
    }

    /**
     * Delivers an event to this URL for every change of a candidate's status, signed with the secret. A delivery that gets no 2xx is tried
     * again, 4 times in all, after 0.1, 0.2 and 0.4 seconds.
     */
    public fun setWebhook(url: String, secret: String) {
        control.ask("webhook", mapOf("url" to url, "secret" to secret))
    }

    /** Delivers no more events. */
    public fun removeWebhook() {
        control.ask("webhook", method = "DELETE")
    }

    /** Queues a fault for the next event; [by] is how much later a [DeliveryFault.LATE] one arrives. */
    @JvmOverloads
    public fun queueDeliveryFault(fault: DeliveryFault, by: Duration? = null) {
        control.ask("webhook-faults", mapOf("kind" to fault.word) + given("seconds" to by?.inSeconds))
    }

    /** The attempts at deliveries that have ended, in order: the latest 10,000, at most 16 MiB. */
    public fun deliveries(): List<Delivery> = control.ask("deliveries").objects().map(::delivery)

    /** Clears the list of deliveries. */
    public fun clearDeliveries() {
        control.ask("deliveries", method = "DELETE")
    }

    /**
     * Waits until a webhook was delivered with a 2xx, for this candidate and status if they are given. It blocks the thread: the receiver
     * must run on another one.
     *
     * @throws SandboxException if there is none in this time; the message has the attempts that failed.
     */
    @JvmOverloads
    public fun waitForDelivery(
        candidateId: String? = null,
        status: String? = null,
        timeout: Duration = Duration.ofSeconds(10),
    ): Delivery {
        val end = System.nanoTime() + timeout.toNanos()
        while (true) {
            val attempts = deliveries().filter { (candidateId ?: it.candidateId) == it.candidateId && (status ?: it.status) == it.status }
            attempts.find { it.accepted }?.let { return it }
            if (System.nanoTime() > end) {
                throw SandboxException("no webhook was delivered; attempts that failed: ${attempts.map { it.answered ?: it.error }}")
            }
            try {
                Thread.sleep(10)
            } catch (e: InterruptedException) {
                Thread.currentThread().interrupt()
                throw SandboxException("the thread was interrupted", e)
            }
        }
    }

    /** The time on the sandbox's clock. */
    public fun now(): Instant = control.ask("clock").asJsonObject.time("now")

    /**
     * Advances the sandbox's clock and returns its new time. Rate windows, idempotency keys and sessions follow it; a client's own waits
     * do not.
     */
    public fun advanceClock(by: Duration): Instant =
        control.ask("clock", mapOf("advanceSeconds" to by.inSeconds)).asJsonObject.time("now")

    /**
     * The logged requests in order: all, or those for one candidate. The sandbox keeps the latest 20,000, at most 40 MB of them, and the
     * first 64 KiB of each body.
     */
    @JvmOverloads
    public fun requests(candidateId: String? = null): List<RecordedRequest> {
        val query = candidateId?.let { "?candidateId=" + URLEncoder.encode(it, Charsets.UTF_8).replace("+", "%20") }.orEmpty()
        return control.ask("requests$query").objects().map(::request)
    }

    /** Clears the request log. */
    public fun clearRequests() {
        control.ask("requests", method = "DELETE")
    }

    /** The e-mails that the service would have sent, in order: the latest 10,000, at most 16 MiB. */
    public fun outbox(): List<Mail> = control.ask("outbox").objects().map(::mail)

    /** Clears the outbox. */
    public fun clearOutbox() {
        control.ask("outbox", method = "DELETE")
    }

    /** Clears everything, and resets keys, limits and the clock to their initial state. [apiKey] stays valid. */
    public fun reset() {
        control.ask("reset", method = "POST")
        count.set(0)
    }

    /**
     * Calls any control endpoint; the sandbox's README lists them. Bodies and responses are maps, lists, text, numbers (in responses `Long` or
     * `Double`), booleans and null.
     */
    @JvmOverloads
    public fun control(path: String, body: Any? = null, method: String = if (body == null) "GET" else "POST"): Any? =
        Control.plain(control.ask(path, body, method))

    public companion object {
        /**
         * Starts a sandbox.
         *
         * @throws SandboxException if it does not start.
         */
        @JvmStatic
        @JvmOverloads
        public fun start(options: SandboxOptions = SandboxOptions()): Sandbox {
            val program = Program.find(options.program)
            // The program exits when its standard input ends, which happens when this process ends.
            val process = try {
                ProcessBuilder(listOf("$program") + options.arguments(options.apiKey ?: randomKey())).start()
            } catch (e: IOException) {
                throw SandboxException("celper-sandbox did not start: $program: ${e.message}: ${Program.hint(program)}", e)
            }
            val line = process.inputStream.bufferedReader().readLine()
            if (line == null) {
                val error = process.errorStream.bufferedReader().readText().trim()
                throw SandboxException("celper-sandbox did not start: ${error.ifEmpty { "exit code ${process.waitFor()}" }}")
            }
            try {
                val announced = JsonParser.parseString(line).asJsonObject
                val certificate = announced.optional("ca_certificate")?.asString
                return Sandbox(process, announced.text("base_url"), announced.text("api_key"), certificate)
            } catch (e: RuntimeException) {
                process.destroy()
                if (e !is JsonParseException && e !is IllegalStateException && e !is NullPointerException) throw e
                throw SandboxException("$program is not celper-sandbox: it printed \"$line\"", e)
            }
        }

        private fun randomKey(): String =
            ByteArray(16).also(SecureRandom()::nextBytes).joinToString("", "celp_") { "%02x".format(it) }

        private fun given(vararg fields: Pair<String, Any?>): Map<String, Any?> = fields.filter { it.second != null }.toMap()
    }
}

package ai.celper

import com.google.gson.JsonArray
import com.google.gson.JsonElement
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import kotlinx.coroutines.runBlocking
import java.io.File
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.util.concurrent.atomic.AtomicInteger

/** The stand-in for the service, one process for all tests; it ends with this one. */
object Sandbox {
    private val process: Process
    private val http = HttpClient.newHttpClient()
    private val candidates = AtomicInteger()
    val baseUrl: String
    val apiKey: String

    init {
        val built = System.getenv("CARGO_TARGET_DIR") ?: "../../target"
        val path = System.getenv("CELPER_SANDBOX") ?: "$built/release/celper-sandbox"
        val binary = File(path).absoluteFile
        check(binary.canExecute()) { "no sandbox at $binary: build celper-sandbox, or set CELPER_SANDBOX" }
        process = ProcessBuilder(binary.path, "--port", "0", "--no-limits", "--exit-with-parent")
            .redirectError(ProcessBuilder.Redirect.INHERIT).start()
        val ready = JsonParser.parseString(process.inputReader().readLine()).asJsonObject
        baseUrl = ready["base_url"].asString
        apiKey = ready["api_key"].asString
    }

    fun client(maxRetries: Int = 2) = Celper(apiKey = apiKey, baseUrl = baseUrl, rateLimits = null, maxRetries = maxRetries)

    /** A candidate of its own for each test, for `pos_1`. */
    @JvmOverloads
    fun candidate(status: String = "new", viewed: Boolean = false): String {
        val id = "cand_${candidates.incrementAndGet()}"
        control("candidates", """{"candidateId":"$id","jobPositionId":"pos_1","status":"$status","analysisViewed":$viewed,"interviewScore":85}""")
        return id
    }

    fun fault(candidate: String, fault: String) {
        control("faults", """{"candidateId":"$candidate",$fault}""")
    }

    fun requests(candidate: String): List<JsonObject> =
        (control("requests?candidateId=$candidate") as JsonArray).map { it.asJsonObject }

    /** A candidate whose calls are answered only after this many seconds: by default longer than any test waits. */
    fun slow(seconds: Int = 600): String =
        candidate().also { fault(it, """"kind":"delay","seconds":$seconds,"act":"after","times":null""") }

    /** How many of the candidate's requests have come and wait for their answer. */
    fun waiting(candidate: String): Int = requests(candidate).count { it["answered"].isJsonNull && !it["clientClosed"].asBoolean }

    /**
     * One request, whose socket was closed, and no retry: a retry would come within half a second, and so before a call that
     * begins now has waited for two retries of its own, which takes three quarters of one at least.
     */
    fun assertHungUp(candidate: String) {
        eventually("the sandbox sees $candidate's client leave") { requests(candidate).any { it["clientClosed"].asBoolean } }
        val other = candidate()
        fault(other, """"kind":"status","status":503,"times":2""")
        runBlocking { client().use { it.getCandidateStatus(other, jobPositionId = "pos_1") } }
        check(requests(candidate).size == 1) { "retried: ${requests(candidate)}" }
    }

    /** Waits for what the sandbox sees a moment later than its client. */
    fun eventually(what: String, holds: () -> Boolean) {
        val deadline = System.nanoTime() + 60_000_000_000
        while (!holds()) {
            check(System.nanoTime() < deadline) { "not within a minute: $what" }
            Thread.sleep(10)
        }
    }

    fun control(path: String, body: String? = null): JsonElement {
        val request = HttpRequest.newBuilder(URI("$baseUrl/_sandbox/$path"))
        if (body != null) request.POST(HttpRequest.BodyPublishers.ofString(body))
        val answer = http.send(request.build(), HttpResponse.BodyHandlers.ofString())
        check(answer.statusCode() in 200..299) { answer.body() }
        return JsonParser.parseString(answer.body())
    }
}

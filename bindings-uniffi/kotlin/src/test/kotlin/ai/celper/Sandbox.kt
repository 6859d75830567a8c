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

/** The sandbox server and a client of its control endpoints. All tests share one process, which ends with this one. */
object Sandbox {
    private val process: Process
    private val http = HttpClient.newHttpClient()
    private val candidates = AtomicInteger()
    val baseUrl: String
    val apiKey: String

    init {
        val target = System.getenv("CARGO_TARGET_DIR") ?: "../../target"
        val path = System.getenv("CELPER_SANDBOX") ?: "$target/release/celper-sandbox"
        val binary = File(path).absoluteFile
        check(binary.canExecute()) { "no sandbox at $binary: run `make sandbox`, or set CELPER_SANDBOX" }
        process = ProcessBuilder(binary.path, "--port", "0", "--no-limits", "--exit-with-parent")
            .redirectError(ProcessBuilder.Redirect.INHERIT).start()
        val ready = JsonParser.parseString(process.inputReader().readLine()).asJsonObject
        baseUrl = ready["base_url"].asString
        apiKey = ready["api_key"].asString
    }

    fun client(maxRetries: Int = 2) = Celper(apiKey = apiKey, baseUrl = baseUrl, rateLimits = null, maxRetries = maxRetries)

    /** Creates a candidate for the job position `pos_1` and returns its id. Each test uses its own candidates. */
    @JvmOverloads
    fun candidate(status: String = "new", analysisViewed: Boolean = false): String {
        val id = "cand_${candidates.incrementAndGet()}"
        val state = """"status":"$status","analysisViewed":$analysisViewed,"interviewScore":85"""
        control("candidates", """{"candidateId":"$id","jobPositionId":"pos_1",$state}""")
        return id
    }

    /** Queues a fault for the candidate's requests. */
    fun fault(candidate: String, fault: String) {
        control("faults", """{"candidateId":"$candidate",$fault}""")
    }

    /** The requests that the sandbox has received for the candidate. */
    fun requests(candidate: String): List<JsonObject> =
        (control("requests?candidateId=$candidate") as JsonArray).map { it.asJsonObject }

    /** Creates a candidate whose responses are delayed, by default for longer than any test runs. */
    fun slowCandidate(seconds: Int = 600): String =
        candidate().also { fault(it, """"kind":"delay","seconds":$seconds,"act":"after","times":null""") }

    /** The number of the candidate's requests that wait for their response. */
    fun pendingRequests(candidate: String): Int =
        requests(candidate).count { it["answered"].isJsonNull && !it["clientClosed"].asBoolean }

    /**
     * Asserts that there was one request, that the client closed its connection, and that no retry followed.
     *
     * A retry follows within 0.5 s (the first backoff). The two retries of the call that this makes take at least 0.75 s, so
     * by their end a retry for [candidate] would have arrived.
     */
    fun assertCancelled(candidate: String) {
        eventually("the client of $candidate closes its connection") { requests(candidate).any { it["clientClosed"].asBoolean } }
        val other = candidate()
        fault(other, """"kind":"status","status":503,"times":2""")
        runBlocking { client().use { it.getCandidateStatus(other, jobPositionId = "pos_1") } }
        check(requests(candidate).size == 1) { "retried: ${requests(candidate)}" }
    }

    /** Waits until a condition holds: the sandbox sees some events a moment later than its client. */
    fun eventually(description: String, condition: () -> Boolean) {
        val deadline = System.nanoTime() + 60_000_000_000
        while (!condition()) {
            check(System.nanoTime() < deadline) { "not within a minute: $description" }
            Thread.sleep(10)
        }
    }

    /** Sends a request to a control endpoint: a GET, or with a body a POST. */
    fun control(path: String, body: String? = null): JsonElement {
        val request = HttpRequest.newBuilder(URI("$baseUrl/_sandbox/$path"))
        if (body != null) request.POST(HttpRequest.BodyPublishers.ofString(body))
        val response = http.send(request.build(), HttpResponse.BodyHandlers.ofString())
        check(response.statusCode() in 200..299) { response.body() }
        return JsonParser.parseString(response.body())
    }
}

package ai.celper

import com.google.gson.JsonArray
import com.google.gson.JsonElement
import com.google.gson.JsonObject
import com.google.gson.JsonParser
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
        val path = System.getenv("CELPER_SANDBOX") ?: "../../target/release/celper-sandbox"
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

    /** Waits for what the sandbox sees a moment later than its client. */
    fun eventually(what: String, holds: () -> Boolean) {
        val deadline = System.nanoTime() + 5_000_000_000
        while (!holds()) {
            check(System.nanoTime() < deadline) { "not within 5 s: $what" }
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

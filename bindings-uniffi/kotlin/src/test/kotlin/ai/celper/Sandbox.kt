package ai.celper

import ai.celper.sandbox.Act
import ai.celper.sandbox.Fault
import ai.celper.sandbox.NewCandidate
import ai.celper.sandbox.RecordedRequest
import kotlinx.coroutines.runBlocking
import java.time.Duration
import java.util.concurrent.atomic.AtomicInteger

/** The sandbox that all tests share; each test uses its own candidates. */
object Sandbox {
    private val candidates = AtomicInteger()
    val server: ai.celper.sandbox.Sandbox = ai.celper.sandbox.Sandbox.start()
    val baseUrl: String get() = server.baseUrl
    val apiKey: String get() = server.apiKey

    fun client(maxRetries: Int = 2) = Celper(apiKey = apiKey, baseUrl = baseUrl, rateLimits = null, maxRetries = maxRetries)

    /** Creates a candidate for the job position `pos_1` and returns its id. */
    @JvmOverloads
    fun candidate(status: String = "new", analysisViewed: Boolean = false): String =
        server.createCandidate(NewCandidate("candidate_${candidates.incrementAndGet()}", "pos_1", status, analysisViewed, 85.0)).id

    fun fault(candidate: String, fault: Fault): Unit = server.queueFault(candidate, fault)

    fun requests(candidate: String): List<RecordedRequest> = server.requests(candidate)

    /** Creates a candidate whose responses are delayed, by default for longer than any test runs. */
    fun slowCandidate(seconds: Long = 600): String =
        candidate().also { fault(it, Fault.delay(Duration.ofSeconds(seconds)).act(Act.AFTER).always()) }

    /** The number of the candidate's requests that wait for their response. */
    fun pendingRequests(candidate: String): Int = requests(candidate).count { it.answered == null && !it.clientClosed }

    /**
     * Asserts that there was one request, that the client closed its connection, and that no retry followed.
     *
     * A retry follows within 0.5 s (the first backoff). The two retries of the call that this makes take at least 0.75 s, so
     * by their end a retry for [candidate] would have arrived.
     */
    fun assertCancelled(candidate: String) {
        eventually("the client of $candidate closes its connection") { requests(candidate).any { it.clientClosed } }
        val other = candidate()
        fault(other, Fault.status(503).times(2))
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
}

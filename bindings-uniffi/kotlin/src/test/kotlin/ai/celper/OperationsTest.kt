package ai.celper

import ai.celper.internal.ffi.errorKinds
import ai.celper.sandbox.Fault
import ai.celper.sandbox.NewCandidate
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.time.Instant
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

class OperationsTest {
    private val client = Sandbox.client()

    @Test
    fun `status, invite, select and reject`() = runBlocking {
        val candidate = Sandbox.candidate()
        val invitation = client.inviteCandidate(candidate, jobPositionId = "pos_1", emailSubject = "Hello", emailBody = "{interviewLink}")
        assertTrue(invitation.invited && invitation.sessionId.isNotEmpty())
        assertEquals("pending", invitation.emailDelivery)
        assertTrue(invitation.expiresAt > Instant.now().plusSeconds(6 * 86_400))
        val sent = Sandbox.requests(candidate).single()
        assertTrue("\"emailSubject\":\"Hello\"" in sent.body!!)
        assertTrue(sent.headers["user-agent"]!!.startsWith("celper-kotlin/"))

        val ready = Sandbox.candidate("interviewed", analysisViewed = true)
        val state = client.getCandidateStatus(ready, jobPositionId = "pos_1")
        assertEquals(CandidateStatus.Interviewed, state.status)
        assertEquals(85.0, state.interviewScore)
        assertTrue(state.analysisViewed && !state.requestId.isNullOrEmpty())
        assertEquals(CandidateStatus.Selected, client.selectCandidate(ready, jobPositionId = "pos_1").status)
        val other = Sandbox.candidate("interviewed", analysisViewed = true)
        assertEquals(CandidateStatus.Rejected, client.rejectCandidate(other, jobPositionId = "pos_1").status)
    }

    @Test
    fun `an unknown status is passed through`() = runBlocking {
        val state = client.getCandidateStatus(Sandbox.candidate("on_hold"), jobPositionId = "pos_1")
        assertEquals("on_hold", (state.status as CandidateStatus.Unknown).value)
        assertEquals(8, CandidateStatus.known.size)
        assertTrue(CandidateStatus.known.all { CandidateStatus.of(it.value) === it })
    }

    @Test
    fun `results compare by value and contain the rate limit`() = runBlocking {
        val candidate = Sandbox.candidate()
        val headers = mapOf(
            "X-Request-Id" to "r", "X-RateLimit-Limit" to 40, "X-RateLimit-Remaining" to 39, "X-RateLimit-Reset" to 1_800_000_000,
        )
        val body = """{"success":true,"requestId":"r","data":{"status":"new","analysisViewed":false,"interviewScore":null}}"""
        Sandbox.fault(candidate, Fault.status(200).times(2).headers(headers).body(body))
        val one = client.getCandidateStatus(candidate, jobPositionId = "pos_1")
        val two = client.getCandidateStatus(candidate, jobPositionId = "pos_1")
        assertEquals(one, two)
        assertEquals(one.hashCode(), two.hashCode())
        assertEquals(40L, one.rateLimit?.limit)
        assertEquals(Instant.ofEpochSecond(1_800_000_000), one.rateLimit?.resetAt)
        assertNull(one.interviewScore)
        assertTrue(one.toString().startsWith("CandidateState(status=new, "), one.toString())
    }

    @Test
    fun `each error kind has the class and parent of the core's table`() {
        for (row in errorKinds()) {
            val failure = ai.celper.internal.ffi.Failure(
                row.name, "m", "text", "status", null, null, null, null, 0u, null, null, false, null, null, null,
            )
            val exception = CelperException.of(failure)
            assertEquals(row.className.replace(Regex("Error$"), "Exception"), exception.javaClass.simpleName)
            assertEquals(row.parent.replace(Regex("Error$"), "Exception"), exception.javaClass.superclass.simpleName)
            assertEquals(row.name, exception.kind)
        }
        assertEquals(16, errorKinds().size)
    }

    @Test
    fun `error responses become exceptions with a readable message`() {
        val missing = assertFails<NotFoundException> { client.getCandidateStatus("nobody", jobPositionId = "pos_1") }
        assertEquals(404, missing.status)
        assertEquals("NOT_FOUND", missing.code)
        assertEquals(1, missing.attempts)
        assertTrue(missing.message!!.startsWith("status: ") && missing.message!!.contains("HTTP 404 NOT_FOUND"), missing.message)
        val interviewed = Sandbox.candidate("interviewed")
        assertFails<AnalysisNotViewedException> { client.selectCandidate(interviewed, jobPositionId = "pos_1") }
        val conflict: ConflictException = assertFails<InvalidStatusException> {
            client.inviteCandidate(interviewed, jobPositionId = "pos_1")
        }
        assertEquals("invalid_status", conflict.kind)
        assertNotEquals(null, conflict.idempotencyKey)
        val other = Sandbox.candidate()
        runBlocking { client.inviteCandidate(other, jobPositionId = "pos_1", idempotencyKey = "key-of-$other") }
        assertFails<IdempotencyConflictException> {
            client.inviteCandidate(other, jobPositionId = "pos_1", emailSubject = "another", idempotencyKey = "key-of-$other")
        }
        val wrong = Celper(apiKey = "celp_00000000000000000000000000000000", baseUrl = Sandbox.baseUrl)
        assertFails<AuthenticationException> { wrong.getCandidateStatus(other, jobPositionId = "pos_1") }
    }

    @Test
    fun `each kind of failure becomes its exception`() {
        fun failureOf(fault: Fault): CelperException {
            val candidate = Sandbox.candidate()
            Sandbox.fault(candidate, fault)
            return assertFails { client.inviteCandidate(candidate, jobPositionId = "pos_1", maxRetries = 0) }
        }
        assertTrue(failureOf(Fault.status(400)) is InvalidRequestException)
        assertTrue(failureOf(Fault.status(403)) is PermissionDeniedException)
        val conflict = failureOf(Fault.status(409).json(mapOf("success" to false, "error" to "ACTIVE_SESSION")))
        assertTrue(conflict is ConflictException && conflict.code == "ACTIVE_SESSION")
        val limited = failureOf(Fault.status(429).headers(mapOf("Retry-After" to 7)))
        assertTrue(limited is RateLimitException)
        assertEquals(7.seconds, limited.retryAfter)
        assertEquals(7.0, limited.retryAfterSeconds)
        val server = failureOf(Fault.status(503))
        assertTrue(server is ServerException && server.outcomeUnknown)
        assertTrue(failureOf(Fault.close()) is ConnectionFailedException)
        assertTrue(failureOf(Fault.notJson()).let { it is UnexpectedResponseException && it.outcomeUnknown })
        val candidate = Sandbox.candidate()
        Sandbox.fault(candidate, Fault.delay(java.time.Duration.ofMinutes(10)))
        val late = assertFails<RequestTimeoutException> {
            client.getCandidateStatus(candidate, jobPositionId = "pos_1", timeout = 100.milliseconds)
        }
        assertFalse(late.outcomeUnknown)
    }

    @Test
    fun `a failed attempt is retried with the same idempotency key`() = runBlocking {
        val candidate = Sandbox.candidate()
        Sandbox.fault(candidate, Fault.status(503).times(2))
        client.inviteCandidate(candidate, jobPositionId = "pos_1")
        val keys = Sandbox.requests(candidate).map { it.headers["idempotency-key"] }
        assertEquals(3, keys.size)
        assertEquals(1, keys.toSet().size)
    }

    @Test
    fun `an invalid argument is rejected with its name, and nothing is sent`() {
        for (timeout in listOf(Duration.ZERO, (-1).seconds, Duration.INFINITE, -Duration.INFINITE)) {
            // An infinite timeout means none.
            if (timeout != Duration.INFINITE) {
                val error = assertFails<InvalidArgumentException> { client.getCandidateStatus("invalid", "pos_1", timeout = timeout) }
                assertTrue(error.message!!.contains("timeout"), error.message)
            }
            assertFails<InvalidArgumentException> { Celper(apiKey = "celp_x", attemptTimeout = timeout) }
            assertFails<InvalidArgumentException> { Celper(apiKey = "celp_x", rateLimits = RateLimits(window = timeout)) }
        }
        assertFails<InvalidArgumentException> { client.getCandidateStatus("invalid", "pos_1", maxRetries = -1) }
        assertFails<InvalidArgumentException> { Celper(apiKey = "celp_x", rateLimits = RateLimits(reads = -1)) }
        assertFails<InvalidArgumentException> { client.getCandidateStatus("", "pos_1") }
        assertFails<InvalidArgumentException> { client.getCandidateStatus("invalid\u0000", "pos_1") }
        assertFails<InvalidArgumentException> { client.inviteCandidate("invalid", "pos_1", emailSubject = "x".repeat(201)) }
        assertTrue(Sandbox.requests("invalid").isEmpty())
    }

    @Test
    fun `http is allowed only to loopback hosts, listed private hosts and, if enabled, the emulator's host`() {
        val error = assertFails<InvalidArgumentException> { Celper(apiKey = "celp_x", baseUrl = "http://10.0.2.2:8080") }
        assertEquals("client", error.operation)
        assertEquals(
            "http://10.0.2.2:8080",
            Celper(apiKey = "celp_x", baseUrl = "http://10.0.2.2:8080", allowEmulatorHost = true).baseUrl,
        )
        assertFails<InvalidArgumentException> { Celper(apiKey = "celp_x", baseUrl = "http://10.0.2.3", allowEmulatorHost = true) }
        val hosts = listOf("sandbox", "api.internal")
        for (host in hosts) {
            assertEquals("http://$host", Celper(apiKey = "celp_x", baseUrl = "http://$host", allowHttpHosts = hosts).baseUrl)
        }
        assertFails<InvalidArgumentException> { Celper(apiKey = "celp_x", baseUrl = "http://other", allowHttpHosts = hosts) }
        val public = assertFails<InvalidArgumentException> { Celper(apiKey = "celp_x", allowHttpHosts = listOf("api.celper.ai")) }
        assertTrue(public.message!!.contains("allowHttpHosts"), public.message)
        assertFails<InvalidArgumentException> { Celper(apiKey = "celp_x", baseUrl = "http://api.celper.ai") }
    }

    @Test
    fun `the base URL's path is kept`() {
        Celper(apiKey = Sandbox.apiKey, baseUrl = "${Sandbox.baseUrl}/gateway/hr/").use { client ->
            assertFails<NotFoundException> { client.getCandidateStatus("prefixed", jobPositionId = "pos_1") }
        }
        val paths = Sandbox.server.requests().map { it.path }
        assertTrue("/gateway/hr/v1/candidates/prefixed/status" in paths, "$paths")
    }

    @Test
    fun `an id may contain any characters`() = runBlocking {
        val id = "a/../b?c#d é漢😀"
        Sandbox.server.createCandidate(NewCandidate(id, "p&q=1"))
        assertEquals(CandidateStatus.New, client.getCandidateStatus(id, jobPositionId = "p&q=1").status)
    }

    @Test
    fun `no text contains the key`() {
        val secret = "celp_hunter2hunter2hunter2"
        val client = Celper(apiKey = secret, baseUrl = Sandbox.baseUrl)
        val denied = assertFails<AuthenticationException> { client.getCandidateStatus("c", jobPositionId = "p") }
        val invalid = assertFails<InvalidArgumentException> { Celper(apiKey = "$secret\n") }
        val builder = Celper.builder().apiKey(secret)
        for (text in listOf("$client", "$builder", denied.stackTraceToString(), invalid.stackTraceToString())) {
            assertFalse("hunter2" in text, text)
        }
    }

    @Test
    fun `an unconfined caller does not resume on the core's thread`() = runBlocking(Dispatchers.Unconfined) {
        val candidate = Sandbox.candidate()
        client.getCandidateStatus(candidate, jobPositionId = "pos_1")
        // On the core's thread this would block forever: it would wait for the thread that it blocks.
        runBlocking { client.getCandidateStatus(candidate, jobPositionId = "pos_1") }
        assertEquals(2, Sandbox.requests(candidate).size)
    }
}

package ai.celper

import ai.celper.sandbox.Fault
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.ObjectInputStream
import java.io.ObjectOutputStream
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds

/** Invalid input, heavy load, and cancellation and closing at any moment. */
class RobustnessTest {
    private val client = Sandbox.client()

    private fun clientWith(provider: KeyProvider): Celper = Celper(baseUrl = Sandbox.baseUrl, keyProvider = provider)

    @Test
    fun `a lone surrogate is rejected with the argument's name`() {
        val text = "a\uD83D"
        fun assertRejected(name: String, call: suspend () -> Unit) {
            val error = assertFails<InvalidArgumentException> { call() }
            assertTrue(error.message!!.contains("$name contains a lone surrogate"), error.message)
        }
        assertRejected("candidateId") { client.getCandidateStatus(text, "pos_1") }
        assertRejected("jobPositionId") { client.selectCandidate("surrogate", text) }
        assertRejected("emailSubject") { client.inviteCandidate("surrogate", "pos_1", emailSubject = text) }
        assertRejected("emailBody") { client.inviteCandidate("surrogate", "pos_1", emailBody = text) }
        assertRejected("idempotencyKey") { client.rejectCandidate("surrogate", "pos_1", idempotencyKey = text) }
        assertRejected("apiKey") { Celper(apiKey = text) }
        assertRejected("baseUrl") { Celper(apiKey = "celp_x", baseUrl = text) }
        assertRejected("proxy") { Celper(apiKey = "celp_x", proxy = text) }
        assertRejected("caCertificates") { Celper(apiKey = "celp_x", caCertificates = text) }
        assertRejected("appInfo") { Celper(apiKey = "celp_x", appInfo = text) }
        assertRejected("allowHttpHosts") { Celper(apiKey = "celp_x", allowHttpHosts = listOf("sandbox", text)) }
        assertTrue(Sandbox.requests("surrogate").isEmpty())
    }

    @Test
    fun `texts of many megabytes are sent or rejected`() {
        val huge = "é".repeat(10_000_000)
        assertFails<InvalidArgumentException> { client.getCandidateStatus(huge, "pos_1") }
        assertFails<InvalidArgumentException> { client.inviteCandidate("huge", "pos_1", emailBody = huge) }
        assertFails<InvalidArgumentException> { Celper(apiKey = huge) }
        val key = "k".repeat(1_000_000)
        val error = assertFails<CelperException> {
            clientWith { key }.getCandidateStatus("huge", "pos_1", maxRetries = 0)
        }
        assertTrue(error.message!!.length < 1_000, "the message contains the key")
    }

    @Test
    fun `a NUL is rejected everywhere`() = runBlocking {
        assertFails<InvalidArgumentException> { client.inviteCandidate("nul", "pos\u0000") }
        assertFails<InvalidArgumentException> { client.inviteCandidate("nul", "pos_1", idempotencyKey = "k\u0000") }
        assertFails<InvalidArgumentException> { Celper(apiKey = "celp_x\u0000") }
        assertFails<InvalidArgumentException> {
            client.inviteCandidate("nul", jobPositionId = "pos_1", emailBody = "a\u0000b")
        }
        assertTrue(Sandbox.requests("nul").isEmpty())
    }

    @Test
    fun `an invalid key is never sent`() {
        for (key in listOf("", " ", "celp_hunter2\r\nX-Evil: 1", "celp_hunter2\u0000", "hunter2ключ", "hunter2\uD83D")) {
            val error = assertFails<AuthenticationException> { clientWith { key }.getCandidateStatus("no-key", "pos_1") }
            assertFalse(error.stackTraceToString().contains("hunter2"), error.message)
        }
        assertTrue(Sandbox.requests("no-key").isEmpty())
    }

    @Test
    fun `a provider may throw an exception with any message`() {
        class MessageThrows : RuntimeException() {
            override val message: String get() = error("no message")
        }
        val exceptions = listOf(
            RuntimeException(null as String?), RuntimeException("surrogate \uD83D"), MessageThrows(), StackOverflowError(),
        )
        for (thrown in exceptions) {
            val failed = assertFails<AuthenticationException> { clientWith { throw thrown }.getCandidateStatus("c", "pos_1") }
            assertTrue(failed.cause === thrown)
        }
    }

    @Test
    fun `a provider that never returns is stopped by the call's timeout`() {
        val client = clientWith { awaitCancellation() }
        val failed = assertFails<RequestTimeoutException> { client.getCandidateStatus("c", "pos_1", timeout = 100.milliseconds) }
        assertEquals(0, failed.attempts)
    }

    @Test
    fun `a provider may make calls`() = runBlocking {
        val (inner, outer) = List(2) { Sandbox.candidate() }
        val nested = clientWith {
            client.getCandidateStatus(inner, jobPositionId = "pos_1")
            Sandbox.apiKey
        }
        assertEquals(CandidateStatus.New, nested.getCandidateStatus(outer, jobPositionId = "pos_1").status)
    }

    @Test
    fun `a provider that blocks its thread does not delay other clients`() {
        val candidate = Sandbox.candidate()
        val release = java.util.concurrent.CountDownLatch(1)
        runBlocking {
            val blocked = List(4) {
                async(Dispatchers.IO) {
                    val blocking = clientWith {
                        withContext(Dispatchers.IO) { release.await() }
                        Sandbox.apiKey
                    }
                    blocking.getCandidateStatus(candidate, "pos_1")
                }
            }
            client.getCandidateStatus(candidate, jobPositionId = "pos_1")
            assertTrue(blocked.none { it.isCompleted })
            release.countDown()
            blocked.awaitAll()
        }
    }

    @Test
    fun `hundreds of calls wait without blocking the caller's only thread and can be cancelled together`() {
        val candidate = Sandbox.slowCandidate()
        // Four clients, because each uses at most 128 connections at a time.
        val clients = List(4) { Sandbox.client() }
        // runBlocking has a single thread.
        runBlocking {
            val calls = List(400) { launch { clients[it % 4].getCandidateStatus(candidate, jobPositionId = "pos_1") } }
            withContext(Dispatchers.IO) { Sandbox.eventually("400 requests wait") { Sandbox.pendingRequests(candidate) == 400 } }
            assertTrue(calls.none { it.isCompleted })
            calls.forEach { it.cancelAndJoin() }
        }
        Sandbox.eventually("400 connections are closed") { Sandbox.requests(candidate).all { it.clientClosed } }
        assertEquals(400, Sandbox.requests(candidate).size)
    }

    @Test
    fun `each of thousands of concurrent calls gets its own response`() = runBlocking {
        val candidate = Sandbox.candidate()
        val results = coroutineScope {
            val calls = List(3_000) {
                async(Dispatchers.Default) { client.getCandidateStatus(candidate, jobPositionId = "pos_1").requestId }
            }
            calls.awaitAll()
        }
        assertEquals(3_000, results.toSet().size)
    }

    @Test
    fun `calls cancelled before, during and after the request leave the client usable`() = runBlocking {
        val candidate = Sandbox.candidate()
        repeat(1_000) { turn ->
            val start = if (turn % 3 == 0) CoroutineStart.UNDISPATCHED else CoroutineStart.DEFAULT
            val call = async(Dispatchers.Default, start) {
                runCatching { client.getCandidateStatus(candidate, jobPositionId = "pos_1") }
            }
            repeat(turn % 50) { Thread.onSpinWait() }
            call.cancel()
        }
        delay(1)
        assertEquals(CandidateStatus.New, client.getCandidateStatus(candidate, jobPositionId = "pos_1").status)
    }

    @Test
    fun `closing a client during many calls gives each a result or an error that says so`() = runBlocking {
        val candidate = Sandbox.candidate()
        val closing = Sandbox.client()
        val calls = List(300) { turn ->
            async(Dispatchers.Default) {
                if (turn == 150) closing.close()
                runCatching { closing.getCandidateStatus(candidate, jobPositionId = "pos_1") }
            }
        }
        for (result in calls.awaitAll()) {
            result.onSuccess { assertEquals(CandidateStatus.New, it.status) }
            result.onFailure { assertTrue(it is InvalidArgumentException && "closed" in it.message!!, "$it") }
        }
        val text = "$closing ${closing.baseUrl}"
        assertTrue(Sandbox.baseUrl in text && Sandbox.apiKey !in text)
    }

    @Test
    fun `a response with huge numbers in its headers is still read`() = runBlocking {
        val most = "18446744073709551615"
        val headers = mapOf("X-RateLimit-Limit" to most, "X-RateLimit-Remaining" to "0", "X-RateLimit-Reset" to "9223372036854775807")
        val body = """{"success":true,"requestId":"r","data":{"status":"new","analysisViewed":false,"interviewScore":1e308}}"""
        val candidate = Sandbox.candidate()
        Sandbox.fault(candidate, Fault.status(200).headers(headers).body(body))
        val state = client.getCandidateStatus(candidate, jobPositionId = "pos_1")
        assertEquals(listOf(Long.MAX_VALUE, 0L, null), state.rateLimit?.run { listOf(limit, remaining, resetAt) })
        Sandbox.fault(candidate, Fault.status(429).headers(mapOf("Retry-After" to most)))
        val limited = assertFails<RateLimitException> { client.getCandidateStatus(candidate, jobPositionId = "pos_1") }
        assertTrue(limited.retryAfter!! > 1.hours, "${limited.retryAfter}")
    }

    @Test
    fun `an exception survives serialization`() {
        val failed = assertFails<NotFoundException> { client.getCandidateStatus("nobody", "pos_1") }
        val bytes = ByteArrayOutputStream().also { ObjectOutputStream(it).writeObject(failed) }.toByteArray()
        val read = ObjectInputStream(ByteArrayInputStream(bytes)).readObject() as NotFoundException
        fun fields(error: CelperException) = listOf(error.message, error.kind, error.status, error.code)
        assertEquals(fields(failed), fields(read))
    }

    @Test
    fun `the class files are for Java 11`() {
        for (name in listOf("Celper", "CelperException", "internal/ffi/NativeClient")) {
            val header = javaClass.getResourceAsStream("/ai/celper/$name.class")!!.use { it.readNBytes(8) }
            assertEquals(55, header[6] * 256 + header[7], name)
        }
    }

    @Test
    fun `a cancelled caller gets CancellationException and not a CelperException`() = runBlocking {
        val candidate = Sandbox.slowCandidate()
        var thrown: Throwable? = null
        val job = launch(Dispatchers.Default) {
            try {
                client.getCandidateStatus(candidate, jobPositionId = "pos_1")
            } catch (caught: Throwable) {
                thrown = caught
                throw caught
            }
        }
        Sandbox.eventually("the request arrives") { Sandbox.pendingRequests(candidate) == 1 }
        job.cancelAndJoin()
        assertTrue(thrown is CancellationException, "$thrown")
    }
}

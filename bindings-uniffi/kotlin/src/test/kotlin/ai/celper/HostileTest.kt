package ai.celper

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
import org.junit.jupiter.api.assertThrows
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.ObjectInputStream
import java.io.ObjectOutputStream
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds

/** What callers do by mistake, and what they do all at once. */
class HostileTest {
    private val client = Sandbox.client()

    private inline fun <reified E : CelperException> failing(crossinline call: suspend () -> Unit): E =
        assertThrows { runBlocking { call() } }

    private fun provided(provider: KeyProvider): Celper = Celper(baseUrl = Sandbox.baseUrl, keyProvider = provider)

    @Test
    fun `half of a surrogate pair is refused by name, wherever it is`() {
        val half = "a\uD83D"
        fun refused(name: String, call: suspend () -> Unit) {
            val refused = failing<InvalidArgumentException> { call() }
            assertTrue(refused.message!!.contains("$name has half of a surrogate pair"), refused.message)
        }
        refused("candidate_id") { client.getCandidateStatus(half, "pos_1") }
        refused("job_position_id") { client.selectCandidate("halves", half) }
        refused("email_subject") { client.inviteCandidate("halves", "pos_1", emailSubject = half) }
        refused("email_body") { client.inviteCandidate("halves", "pos_1", emailBody = half) }
        refused("idempotency_key") { client.rejectCandidate("halves", "pos_1", idempotencyKey = half) }
        refused("api_key") { Celper(apiKey = half) }
        refused("base_url") { Celper(apiKey = "celp_x", baseUrl = half) }
        refused("proxy") { Celper(apiKey = "celp_x", proxy = half) }
        refused("ca_certificates") { Celper(apiKey = "celp_x", caCertificates = half) }
        refused("app_info") { Celper(apiKey = "celp_x", appInfo = half) }
        assertTrue(Sandbox.requests("halves").isEmpty())
    }

    @Test
    fun `texts of many megabytes are refused or carried`() {
        val huge = "é".repeat(10_000_000)
        failing<InvalidArgumentException> { client.getCandidateStatus(huge, "pos_1") }
        failing<InvalidArgumentException> { client.inviteCandidate("huge", "pos_1", emailBody = huge) }
        failing<InvalidArgumentException> { Celper(apiKey = huge) }
        val ascii = "k".repeat(1_000_000)
        val refused = failing<CelperException> {
            provided { ascii }.getCandidateStatus("huge", "pos_1", maxRetries = 0)
        }
        assertTrue(refused.message!!.length < 1_000, "the key is not repeated")
    }

    @Test
    fun `a NUL is refused where it harms and carried where it does not`() = runBlocking {
        failing<InvalidArgumentException> { client.inviteCandidate("nul", "pos\u0000") }
        failing<InvalidArgumentException> { client.inviteCandidate("nul", "pos_1", idempotencyKey = "k\u0000") }
        failing<InvalidArgumentException> { Celper(apiKey = "celp_x\u0000") }
        val candidate = Sandbox.candidate()
        client.inviteCandidate(candidate, jobPositionId = "pos_1", emailBody = "a\u0000b")
        val sent = Sandbox.requests(candidate).single()["body"].asString
        assertTrue("a\\u0000b" in sent, sent)
    }

    @Test
    fun `what is no key never leaves`() {
        for (key in listOf("", " ", "celp_hunter2\r\nX-Evil: 1", "celp_hunter2\u0000", "hunter2ключ", "hunter2\uD83D")) {
            val refused = failing<AuthenticationException> { provided { key }.getCandidateStatus("no-key", "pos_1") }
            assertFalse(refused.stackTraceToString().contains("hunter2"), refused.message)
        }
        assertTrue(Sandbox.requests("no-key").isEmpty())
    }

    @Test
    fun `a provider's message may be anything`() {
        class Mute : RuntimeException() {
            override val message: String get() = error("no message for you")
        }
        for (thrown in listOf(RuntimeException(null as String?), RuntimeException("half \uD83D"), Mute(), StackOverflowError())) {
            val failed = failing<AuthenticationException> { provided { throw thrown }.getCandidateStatus("c", "pos_1") }
            assertTrue(failed.cause === thrown)
        }
    }

    @Test
    fun `a provider that never answers is held to the call's timeout`() {
        val late = provided { awaitCancellation() }
        val failed = failing<RequestTimeoutException> { late.getCandidateStatus("c", "pos_1", timeout = 100.milliseconds) }
        assertEquals(0, failed.attempts)
    }

    @Test
    fun `a provider may itself call`() = runBlocking {
        val (inner, outer) = List(2) { Sandbox.candidate() }
        val nested = provided {
            client.getCandidateStatus(inner, jobPositionId = "pos_1")
            Sandbox.apiKey
        }
        assertEquals(CandidateStatus.New, nested.getCandidateStatus(outer, jobPositionId = "pos_1").status)
    }

    @Test
    fun `providers that block their threads do not hold up other clients`() {
        val candidate = Sandbox.candidate()
        val release = java.util.concurrent.CountDownLatch(1)
        runBlocking {
            val blocked = List(4) {
                async(Dispatchers.IO) {
                    provided { withContext(Dispatchers.IO) { release.await() }; Sandbox.apiKey }.getCandidateStatus(candidate, "pos_1")
                }
            }
            client.getCandidateStatus(candidate, jobPositionId = "pos_1")
            assertTrue(blocked.none { it.isCompleted })
            release.countDown()
            blocked.awaitAll()
        }
    }

    @Test
    fun `hundreds of calls wait at once without the caller's one thread, and are cancelled at once`() {
        val candidate = Sandbox.slow()
        // runBlocking has this one thread and no other.
        runBlocking {
            val calls = List(400) { launch { client.getCandidateStatus(candidate, jobPositionId = "pos_1") } }
            withContext(Dispatchers.IO) { Sandbox.eventually("400 requests wait") { Sandbox.waiting(candidate) == 400 } }
            assertTrue(calls.none { it.isCompleted })
            calls.forEach { it.cancelAndJoin() }
        }
        Sandbox.eventually("400 sockets are closed") { Sandbox.requests(candidate).all { it["clientClosed"].asBoolean } }
        assertEquals(400, Sandbox.requests(candidate).size)
    }

    @Test
    fun `thousands of calls at once all have their own answer`() = runBlocking {
        val candidate = Sandbox.candidate()
        val results = coroutineScope {
            List(3_000) { async(Dispatchers.Default) { client.getCandidateStatus(candidate, jobPositionId = "pos_1").requestId } }.awaitAll()
        }
        assertEquals(3_000, results.toSet().size)
    }

    @Test
    fun `calls that are cancelled before, during and after leave nothing behind`() = runBlocking {
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
    fun `a client closed under many callers gives each a result or a clear refusal`() = runBlocking {
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
    fun `numbers beyond all sense in headers do not spoil an answer`() = runBlocking {
        val most = "18446744073709551615"
        val headers = """"X-RateLimit-Limit":"$most","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"9223372036854775807""""
        val body = """{"success":true,"requestId":"r","data":{"status":"new","analysisViewed":false,"interviewScore":1e308}}"""
        val candidate = Sandbox.candidate()
        Sandbox.fault(candidate, """"kind":"status","status":200,"headers":{$headers},"json":$body""")
        val state = client.getCandidateStatus(candidate, jobPositionId = "pos_1")
        assertEquals(listOf(Long.MAX_VALUE, 0L, null), state.rateLimit?.run { listOf(limit, remaining, resetAt) })
        Sandbox.fault(candidate, """"kind":"status","status":429,"headers":{"Retry-After":"$most"}""")
        val limited = failing<RateLimitException> { client.getCandidateStatus(candidate, jobPositionId = "pos_1") }
        assertTrue(limited.retryAfter!! > 1.hours, "${limited.retryAfter}")
    }

    @Test
    fun `an exception survives serialization`() {
        val failed = failing<NotFoundException> { client.getCandidateStatus("nobody", "pos_1") }
        val bytes = ByteArrayOutputStream().also { ObjectOutputStream(it).writeObject(failed) }.toByteArray()
        val read = ObjectInputStream(ByteArrayInputStream(bytes)).readObject() as NotFoundException
        assertEquals(listOf(failed.message, failed.kind, failed.status, failed.code), listOf(read.message, read.kind, read.status, read.code))
    }

    @Test
    fun `the classes are for Java 11`() {
        for (name in listOf("Celper", "CelperException", "internal/ffi/NativeClient")) {
            val head = javaClass.getResourceAsStream("/ai/celper/$name.class")!!.use { it.readNBytes(8) }
            assertEquals(55, head[6] * 256 + head[7], name)
        }
    }

    @Test
    fun `a cancelled caller gets the cancellation and not an error of ours`() = runBlocking {
        val candidate = Sandbox.slow()
        var thrown: Throwable? = null
        val job = launch(Dispatchers.Default) {
            try {
                client.getCandidateStatus(candidate, jobPositionId = "pos_1")
            } catch (caught: Throwable) {
                thrown = caught
                throw caught
            }
        }
        Sandbox.eventually("the request arrives") { Sandbox.waiting(candidate) == 1 }
        job.cancelAndJoin()
        assertTrue(thrown is CancellationException, "$thrown")
    }
}

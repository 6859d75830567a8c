package ai.celper

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.withIndex
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.supervisorScope
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.time.Instant
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/** What an application sees of a failed call, and what its tests can create. */
class ErrorsTest {
    private val client = Sandbox.client()

    private suspend fun screening(candidate: String): CandidateState {
        delay(1)
        return client.getCandidateStatus(candidate, jobPositionId = "pos_1").also { delay(1) }
    }

    @Test
    fun `the stack trace has the suspended functions that made the call`() {
        val failed = assertFails<NotFoundException> { coroutineScope { screening("nobody") } }
        // With assertions on, coroutines throw a copy.
        val thrown = generateSequence<Throwable>(failed) { it.cause }.last()
        assertTrue(thrown.stackTrace.any { it.methodName == "screening" }, thrown.stackTraceToString())
    }

    @Test
    fun `the exception of an awaited call keeps its class, its fields and its cause`() = runBlocking {
        val thrown = IllegalStateException("signed out")
        val denied = Celper(baseUrl = Sandbox.baseUrl, keyProvider = { throw thrown })
        supervisorScope {
            val call = async(Dispatchers.Default) { denied.getCandidateStatus("c", jobPositionId = "pos_1") }
            val failed = runCatching { call.await() }.exceptionOrNull() as AuthenticationException
            assertSame(thrown, failed.cause)
            val copy = failed.createCopy() as AuthenticationException
            assertEquals(listOf(failed.message, failed.detail, failed.attempts), listOf(copy.message, copy.detail, copy.attempts))
        }
    }

    @Test
    fun `tests can create every kind of exception, with the fields that a response gives it`() {
        val limit = RateLimit(40, 0, Instant.ofEpochSecond(1_800_000_000, 5))
        val made = CelperException.of("rate_limited", "too many", "invite", status = 429, rateLimit = limit, retryAfterSeconds = 7.0)
        assertTrue(made is RateLimitException)
        assertEquals(listOf(429, limit, 7.seconds, "invite: too many"), listOf(made.status, made.rateLimit, made.retryAfter, made.message))
        assertEquals(limit, made.createCopy().rateLimit)
        assertTrue(CelperException.of("unexpected_response", "not JSON") is UnexpectedResponseException)
        assertThrows(IllegalArgumentException::class.java) { CelperException.of("not-a-kind", "") }
    }

    private class Fake : CandidateActions {
        override suspend fun getCandidateStatus(candidateId: String, jobPositionId: String, timeout: Duration?, maxRetries: Int?) =
            CandidateState(CandidateStatus.Interviewed, analysisViewed = true)

        override suspend fun inviteCandidate(
            candidateId: String, jobPositionId: String, emailSubject: String?, emailBody: String?, idempotencyKey: String?,
            timeout: Duration?, maxRetries: Int?,
        ): Invitation = throw CelperException.of("invalid_status", "already invited", "invite")

        override suspend fun selectCandidate(
            candidateId: String, jobPositionId: String, idempotencyKey: String?, timeout: Duration?, maxRetries: Int?,
        ) = Decision(CandidateStatus.Selected)

        override suspend fun rejectCandidate(
            candidateId: String, jobPositionId: String, idempotencyKey: String?, timeout: Duration?, maxRetries: Int?,
        ) = Decision(CandidateStatus.Rejected)

        override fun batch(requests: Flow<CandidateRequest>, batchId: String?, journal: String?, total: Long?): Batch {
            val items = requests.withIndex().map { (index, request) -> BatchItem(index.toLong(), request, Decision(CandidateStatus.Rejected)) }
            return object : Batch, Flow<BatchItem> by items {
                override val progress = BatchProgress(done = 1, total = total)
                override val batchId = batchId

                override fun stop() = Unit
            }
        }
    }

    @Test
    fun `a fake takes the client's place, and results are data classes`(): Unit = runBlocking {
        suspend fun state(celper: CandidateActions, candidate: String) = celper.getCandidateStatus(candidate, jobPositionId = "pos_1")
        val (status, viewed) = state(Fake(), "c")
        assertEquals(CandidateStatus.Interviewed to true, status to viewed)
        val real = state(client, Sandbox.candidate("interviewed", analysisViewed = true))
        assertEquals(CandidateState(CandidateStatus.Interviewed, true), real.copy(interviewScore = null, requestId = null, rateLimit = null))
        assertFails<InvalidStatusException> { Fake().inviteCandidate("c", "pos_1") }
        val fake = Fake().batch(listOf(RejectRequest("c", "pos_1")))
        assertEquals("c" to 1L, fake.first().request.candidateId to fake.progress.total)
    }
}

package ai.celper

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import java.time.Duration
import kotlin.time.Duration.Companion.milliseconds

class WatchTest {
    private val client = Sandbox.client()

    @Test
    fun `a wait gives the state, and its error the last one`() = runBlocking {
        val candidate = Sandbox.candidate("interviewed")
        val state = client.waitForStatus(candidate, "pos_1", setOf(CandidateStatus.Failed, CandidateStatus.Interviewed))
        assertEquals(CandidateStatus.Interviewed, state.status)
        assertEquals(1, state.record!!.attempts.size)

        val timeout = assertFails<RequestTimeoutException> {
            client.waitForStatus(candidate, "pos_1", setOf(CandidateStatus.of("on_hold")), 1500.milliseconds)
        }
        assertEquals(CandidateStatus.Interviewed, timeout.lastState!!.status)
        assertEquals(timeout.lastState, timeout.createCopy().lastState)
        assertFails<InvalidArgumentException> { client.waitForStatus(candidate, "pos_1", emptySet()) }
        Unit
    }

    @Test
    fun `cancelling a wait ends it`() = runBlocking {
        val candidate = Sandbox.slowCandidate()
        val job = launch(Dispatchers.Default) { client.waitForStatus(candidate, "pos_1", setOf(CandidateStatus.Selected)) }
        Sandbox.eventually("the wait reads the status") { Sandbox.pendingRequests(candidate) == 1 }
        job.cancel()
        Sandbox.assertCancelled(candidate)
    }

    @Test
    fun `a watch gives each candidate's state, and an error for one that does not exist`() = runBlocking {
        val candidate = Sandbox.candidate("invited")
        val items = client.watchCandidates(listOf("nobody"), "pos_1").toList()
        assertTrue(items.single().run { candidateId == "nobody" && error is NotFoundException && state == null }, "$items")
        val first = client.watchCandidates(listOf(candidate, candidate), "pos_1").first()
        assertEquals(listOf(candidate, CandidateStatus.Invited, null), listOf(first.candidateId, first.state?.status, first.previousStatus))
        assertFails<InvalidArgumentException> { client.watchCandidates(listOf(""), "pos_1").first() }
        assertFails<InvalidArgumentException> { client.watchCandidates(listOf("\ud800"), "pos_1").first() }
        Unit
    }

    @Test
    fun `a watch in Java ends when it is closed or its thread is interrupted`() {
        val candidate = Sandbox.candidate("invited")
        val calls = client.blocking()
        val until = setOf(CandidateStatus.Invited)
        assertEquals(CandidateStatus.Invited, calls.waitForStatus(candidate, "pos_1", until, Duration.ofSeconds(30)).status)
        assertEquals(CandidateStatus.Invited, client.async().waitForStatus(candidate, "pos_1", until).join().status)
        val watch = calls.watchCandidates(listOf(candidate), "pos_1")
        val items = watch.iterator()
        assertEquals(candidate, items.next().candidateId)
        val closer = Thread { Thread.sleep(50); watch.close() }.apply { start() }
        assertFalse(items.hasNext())
        closer.join()
        calls.watchCandidates(listOf(candidate), "pos_1").use { other ->
            val iterator = other.iterator()
            iterator.next()
            Thread.currentThread().interrupt()
            assertThrows<CancellationException> { iterator.hasNext() }
            assertTrue(Thread.interrupted())
            assertFalse(iterator.hasNext())
        }
    }
}

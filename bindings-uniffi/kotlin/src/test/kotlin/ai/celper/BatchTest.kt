package ai.celper

import ai.celper.sandbox.Fault
import ai.celper.sandbox.RecordedRequest
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.flowOf
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.time.Duration
import java.util.concurrent.atomic.AtomicBoolean

class BatchTest {
    private val client = Sandbox.client()

    private fun invite(candidate: String) = InviteRequest(candidate, jobPositionId = "pos_1")

    private fun requestsOf(candidates: List<String>): List<RecordedRequest> = candidates.flatMap { Sandbox.requests(it) }

    @Test
    fun `each operation gives its result, and each source its items`() = runBlocking {
        val ready = List(2) { Sandbox.candidate("interviewed", analysisViewed = true) }
        val requests = listOf(
            invite(Sandbox.candidate()), SelectRequest(ready[0], "pos_1"), RejectRequest(ready[1], "pos_1", idempotencyKey = "reject-1"),
            StatusRequest("nobody", "pos_1", maxRetries = 0), StatusRequest("\ud800", "pos_1"),
        )
        val batch = client.batch(requests)
        val items = batch.toList().sortedBy { it.index }
        assertEquals(requests, items.map { it.request })
        assertTrue((items[0].result as Invitation).invited && items[0].idempotencyKey != null)
        assertEquals(CandidateStatus.Selected, (items[1].result as Decision).status)
        assertEquals("reject-1", items[2].idempotencyKey)
        assertTrue(items[3].error is NotFoundException && items[3].result == null)
        assertTrue(items[4].error is InvalidArgumentException, "${items[4].error}")
        assertTrue("status: candidateId contains a lone surrogate" in items[4].error!!.message!!, items[4].error!!.message)
        with(batch.progress) { assertEquals(listOf<Long?>(5, 3, 2, 5), listOf(done, succeeded, failed, total)) }

        val one = StatusRequest(ready[0], "pos_1")
        val sources = listOf(client.batch(flowOf(one)), client.batch(sequenceOf(one)), client.batch(setOf(one)))
        for (source in sources) assertEquals(listOf(0L to one), source.toList().map { it.index to it.request })
    }

    @Test
    fun `leaving early starts nothing more and lets requests under way finish`(@TempDir folder: File) = runBlocking {
        val slow = List(3) { Sandbox.slowCandidate(1) }
        val fast = Sandbox.candidate()
        val later = List(400) { Sandbox.candidate() }
        val journal = File(folder, "journal.jsonl").path
        val cancelled = AtomicBoolean()
        val source = flow {
            (slow + fast).forEach { emit(invite(it)) }
            Sandbox.eventually("the slow requests arrive") { slow.all { Sandbox.pendingRequests(it) == 1 } }
            try { awaitCancellation() } finally { cancelled.set(true) }
        }
        withContext(Dispatchers.Default) {
            val first = client.batch(source, journal = journal).first { Sandbox.pendingRequests(slow[0]) == 1 }
            assertEquals(fast, first.request.candidateId)
            assertTrue(cancelled.get())
            for (request in requestsOf(slow)) assertTrue(request.answered != null && !request.clientClosed)
            // The journal is closed, and what had finished is in it.
            val again = client.batch((slow + fast).map(::invite), journal = journal).toList()
            assertTrue(again.all { it.resumed && it.result is Invitation }, "$again")
            assertEquals(4, requestsOf(slow + fast).size)

            assertEquals(3, client.batch(later.map(::invite)).take(3).toList().size)
            assertTrue(requestsOf(later).size < 200)
        }
    }

    @Test
    fun `cancelling drops the requests, and the journal knows of them`(@TempDir folder: File) = runBlocking {
        val candidate = Sandbox.candidate()
        Sandbox.fault(candidate, Fault.delay(Duration.ofMinutes(10)))
        val journal = File(folder, "journal.jsonl").path
        val batch = client.batch(listOf(invite(candidate)), batchId = "spring", journal = journal)
        val job = launch(Dispatchers.Default) { batch.collect {} }
        Sandbox.eventually("the request arrives") { Sandbox.pendingRequests(candidate) == 1 }
        job.cancelAndJoin()
        Sandbox.assertCancelled(candidate)
        val item = client.batch(listOf(invite(candidate)), batchId = "spring", journal = journal).first()
        assertTrue(item.result is Invitation, "$item")
        val keys = Sandbox.requests(candidate).map { it.headers["idempotency-key"] }
        assertEquals(listOf(item.idempotencyKey, item.idempotencyKey), keys)
    }

    @Test
    fun `what the source throws follows the last item`() {
        class Unreadable : Exception("row 3")
        val candidates = List(2) { Sandbox.candidate() }
        for (thrown in listOf(Unreadable(), CancellationException("row 3"))) {
            val items = mutableListOf<BatchItem>()
            val source = sequence {
                candidates.forEach { yield(StatusRequest(it, "pos_1")) }
                throw thrown
            }
            val caught = assertThrows<Exception> { runBlocking { client.batch(source).collect { items += it } } }
            assertTrue(caught.javaClass == thrown.javaClass && caught.message == "row 3", "$caught")
            assertEquals(candidates.toSet(), items.map { it.request.candidateId }.toSet())
        }
    }

    @Test
    fun `an exception in the collector is thrown on`() {
        val candidate = Sandbox.candidate()
        val thrown = assertThrows<IllegalStateException> {
            runBlocking { client.batch(listOf(StatusRequest(candidate, "pos_1"))).collect { error("full disk") } }
        }
        assertEquals("full disk", thrown.message)
    }

    @Test
    fun `a batch runs once, and not after stop`() = runBlocking {
        val candidate = Sandbox.candidate()
        val batch = client.batch(listOf(invite(candidate)))
        batch.stop()
        assertEquals(emptyList<BatchItem>(), batch.toList())
        assertTrue(Sandbox.requests(candidate).isEmpty())
        assertTrue("create another batch" in assertFails<InvalidArgumentException> { batch.toList() }.message!!)
        assertFails<InvalidArgumentException> { client.batch(listOf(invite(candidate)), batchId = "").toList() }
        Unit
    }

    @Test
    fun `the collector and the source never run on a network thread`() = runBlocking {
        val threads = mutableSetOf<String>()
        val candidates = List(30) { Sandbox.candidate() }
        val source: Flow<CandidateRequest> = flow {
            for (candidate in candidates) {
                synchronized(threads) { threads += Thread.currentThread().name }
                emit(StatusRequest(candidate, "pos_1"))
            }
        }
        withContext(Dispatchers.Unconfined) {
            client.batch(source).collect { synchronized(threads) { threads += Thread.currentThread().name } }
        }
        assertFalse("celper" in threads, "$threads")
        assertTrue(threads.any { it.startsWith("celper-callback") }, "$threads")
    }

    @Test
    fun `a closed client starts no batch, and closing one ends its batch`() = runBlocking {
        val slow = Sandbox.slowCandidate(1)
        val closing = Sandbox.client()
        val source = flow<CandidateRequest> {
            emit(StatusRequest(slow, "pos_1"))
            Sandbox.eventually("the request arrives") { Sandbox.requests(slow).isNotEmpty() }
            closing.close()
            emit(StatusRequest("cand_late", "pos_1"))
        }
        val items = closing.batch(source).toList().sortedBy { it.index }
        assertEquals(listOf(false, true), items.map { it.notAttempted })
        assertTrue(items[0].result is CandidateState && items[1].error is InvalidArgumentException, "$items")
        assertFails<InvalidArgumentException> { closing.batch(listOf(invite(slow))).toList() }
        Unit
    }

    @Test
    fun `a request does not show its e-mail`() {
        val request = InviteRequest("c", "p", emailSubject = "Hello", emailBody = "secret")
        assertEquals("InviteRequest(candidateId=c, jobPositionId=p)", "$request")
    }
}

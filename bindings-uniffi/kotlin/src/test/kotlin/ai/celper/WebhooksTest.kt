package ai.celper

import ai.celper.internal.ffi.webhookNames
import com.google.gson.JsonParser
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.file.Files
import java.nio.file.Path
import java.time.Instant
import kotlin.time.Duration.Companion.seconds

/** Webhooks: what a program passes, and what it gets. */
class WebhooksTest {
    private val secret = "whsec_1"
    private val now = Instant.ofEpochSecond(1_768_473_000)
    private val data = """{"candidateId": "cand_1", "jobPositionId": "pos_1", "status": "interviewed", "previousStatus": "on_hold"}"""

    private fun body(event: String = "candidate_status_changed", data: String = this.data) = """
        {"event": "$event", "webhookId": "wh_1", "companyId": "comp_1", "timestamp": "2026-01-15T10:30:00.250Z", "data": $data}
    """.toByteArray()

    private inline fun <reified T : CelperException> refused(crossinline call: () -> Unit): T {
        val thrown = assertThrows(T::class.java) { call() }
        assertFalse(secret in thrown.toString(), thrown.toString())
        return thrown
    }

    @Test
    fun `an event is typed, and a value`() {
        val event = Webhooks.unwrap(body(), Webhooks.sign(body(), secret, now), listOf("new", secret), 300.seconds, now)
        event as WebhookEvent.CandidateStatusChanged
        assertEquals(
            listOf("cand_1", "pos_1", CandidateStatus.Interviewed, CandidateStatus.of("on_hold"), "wh_1", "comp_1", data),
            listOf(
                event.candidateId, event.jobPositionId, event.status, event.previousStatus, event.webhookId, event.companyId, event.data,
            ),
        )
        assertEquals(Instant.parse("2026-01-15T10:30:00.250Z"), event.timestamp)
        assertEquals(64, event.dedupeKey.length)
        assertEquals(event, Webhooks.unwrap(body(), Webhooks.sign(body(), secret), secret))
        val first = body(data = data.replace(", \"previousStatus\": \"on_hold\"", ""))
        val unknown = Webhooks.unwrap(first, Webhooks.sign(first, secret), secret) as WebhookEvent.CandidateStatusChanged
        assertEquals(null, unknown.previousStatus)
    }

    @Test
    fun `every event and every reason of the core is known here`() {
        val (reasons, events) = webhookNames()
        for (name in events + "interview_moved") {
            val event = Webhooks.unwrap(body(name), Webhooks.sign(body(name), secret), secret)
            assertEquals(name, event.type)
            assertEquals(name == "interview_moved", event is WebhookEvent.Unknown)
        }
        val documented = Files.readString(Path.of("src/main/kotlin/ai/celper/CelperException.kt")).substringAfter("class WebhookException")
        // Kotlin's types rule a parsed body out.
        for (reason in reasons - "parsed_body") assertTrue("`$reason`" in documented, reason)
    }

    @Test
    fun `headers have names in any case, and one value or several`() {
        val signed = Webhooks.sign(body(), secret)
        val forms = listOf<Map<String, *>>(
            signed, signed.mapKeys { it.key.lowercase() }, signed.mapValues { listOf(it.value) }, signed.mapValues { arrayOf(it.value) },
        )
        for (headers in forms) {
            Webhooks.verify(body(), headers, secret)
            assertEquals("no_match", refused<WebhookException> { Webhooks.verify(body(), headers, "other") }.reason)
        }
        assertEquals("missing_header", refused<WebhookException> { Webhooks.verify(body(), mapOf("X-Celper-Signature" to null), secret) }.reason)
    }

    @Test
    fun `an exception tells the reason, also its copy`() {
        val signed = Webhooks.sign(body(), secret, now)
        val stale = refused<WebhookException> { Webhooks.unwrap(body(), signed, listOf(secret), 300.seconds, now.plusSeconds(412)) }
        for (exception in listOf(stale, stale.createCopy() as WebhookException)) {
            assertEquals(listOf("stale", 412L, "webhook", "webhook"), exception.run { listOf(reason, clockDifferenceSeconds, kind, operation) })
            assertTrue(exception.message!!.startsWith("webhook: the timestamp is 412 s old, more than 300 s: "), exception.message)
        }
        Webhooks.verify(body(), signed, listOf(secret), null)
        val parsedAgain = JsonParser.parseString(body().decodeToString()).toString().toByteArray()
        assertEquals("no_match", refused<WebhookException> { Webhooks.unwrap(parsedAgain, signed, listOf(secret), null) }.reason)
        for (secrets in listOf(emptyList(), listOf(""), listOf("$secret\n"))) {
            refused<InvalidArgumentException> { Webhooks.verify(body(), signed, secrets) }
        }
        refused<InvalidArgumentException> { Webhooks.verify(body(), signed, listOf(secret), 0.seconds) }
    }
}

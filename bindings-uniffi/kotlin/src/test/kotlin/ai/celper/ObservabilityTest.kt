package ai.celper

import ai.celper.sandbox.Fault
import com.google.gson.Gson
import com.google.gson.JsonArray
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import io.opentelemetry.api.GlobalOpenTelemetry
import io.opentelemetry.api.OpenTelemetry
import io.opentelemetry.api.common.Attributes
import io.opentelemetry.api.trace.SpanContext
import io.opentelemetry.api.trace.SpanKind
import io.opentelemetry.api.trace.StatusCode
import io.opentelemetry.context.Context
import io.opentelemetry.extension.kotlin.asContextElement
import io.opentelemetry.sdk.OpenTelemetrySdk
import io.opentelemetry.sdk.metrics.SdkMeterProvider
import io.opentelemetry.sdk.testing.exporter.InMemoryMetricReader
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter
import io.opentelemetry.sdk.trace.SdkTracerProvider
import io.opentelemetry.sdk.trace.data.SpanData
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor
import io.opentelemetry.sdk.trace.samplers.Sampler
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeoutOrNull
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.net.URI
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.logging.Handler
import java.util.logging.Level
import java.util.logging.LogRecord
import java.util.logging.Logger
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

class ObservabilityTest {
    @Test
    fun `results and exceptions have the record of their call`() = runBlocking {
        val client = Sandbox.client(maxRetries = 1)
        val candidate = Sandbox.candidate()
        Sandbox.fault(candidate, Fault.status(503).times(1))
        val state = client.getCandidateStatus(candidate, "pos_1")
        val record = state.record!!
        assertEquals(listOf(503 to "server", 200 to null), record.attempts.map { it.status to it.errorKind })
        assertEquals(listOf("retry"), record.waits.map { it.reason })
        assertTrue(record.operation == "status" && record.duration >= record.waits[0].duration, "$record")
        assertEquals(4, "$record".lines().size, "$record")
        assertEquals(CandidateState(state.status, false, 85.0, state.requestId, state.rateLimit, 2), state)
        assertNull(state.copy().record)

        val missing = assertFails<NotFoundException> { client.getCandidateStatus("nobody", "pos_1") }
        assertEquals("not_found", missing.record!!.attempts.single().errorKind)
        assertEquals("${missing.record}", "${missing.createCopy().record}")
        val items = client.batch(listOf(StatusRequest(candidate, "pos_1"), StatusRequest("nobody", "pos_1"))).toList()
        assertEquals(setOf(200, 404), items.map { (it.result?.record ?: it.error!!.record)!!.attempts.single().status }.toSet())
    }

    @Test
    fun `each call that ends is an event, on the caller's thread, and what a listener throws breaks nothing`() = runBlocking {
        val events = ConcurrentLinkedQueue<Pair<Thread, CallEvent>>()
        val client = Celper(apiKey = Sandbox.apiKey, baseUrl = Sandbox.baseUrl, rateLimits = null, onEvent = {
            events += Thread.currentThread() to it
            error("thrown by the listener")
        })
        val candidate = Sandbox.candidate("interviewed", analysisViewed = true)
        client.getCandidateStatus(candidate, "pos_1")
        assertFails<NotFoundException> { client.getCandidateStatus("nobody", "pos_1") }
        client.blocking().selectCandidate(candidate, "pos_1")
        client.batch(listOf(StatusRequest(candidate, "pos_1"))).toList()
        client.waitForStatus(candidate, "pos_1", setOf(CandidateStatus.Selected))
        assertEquals(listOf("status", "status", "select", "status", "status"), events.map { it.second.operation })
        assertEquals(listOf(null, "not_found", null, null, null), events.map { it.second.error?.kind })
        assertEquals(List(5) { 1 }, events.map { it.second.record!!.attempts.size })

        // Each read of a wait or a watch, and the error of a wait that is none of theirs.
        events.clear()
        Sandbox.fault(candidate, Fault.status(503).times(1))
        assertFails<RequestTimeoutException> { client.waitForStatus(candidate, "pos_1", setOf(CandidateStatus.Failed), 1500.milliseconds) }
        assertFails<NotFoundException> { client.waitForStatus("nobody", "pos_1", setOf(CandidateStatus.Failed)) }
        client.watchCandidates(listOf("nobody"), "pos_1").toList()
        client.watchCandidates(listOf(candidate), "pos_1").first()
        val told = events.map { (_, event) -> event.error?.kind to event.record?.attempts?.map { it.status } }
        val missing = "not_found" to listOf(404)
        assertEquals(listOf("server" to listOf(503), "timeout" to null, missing, missing, null to listOf(200)), told)
        // `assertFails` has a runBlocking of its own.
        assertEquals(setOf(Thread.currentThread()), events.map { it.first }.toSet())
    }

    @Test
    fun `log records reach the logger on other threads, as far as its level allows`() {
        val logger = Logger.getLogger("celper")
        val records = ConcurrentLinkedQueue<Pair<String, LogRecord>>()
        val handler = object : Handler() {
            override fun publish(record: LogRecord) {
                records += Thread.currentThread().name to record
            }

            override fun flush() = Unit

            override fun close() = Unit
        }
        handler.level = Level.ALL
        logger.addHandler(handler)
        val client = Sandbox.client(maxRetries = 1)
        fun retried(level: Level): List<LogRecord> {
            logger.level = level
            records.clear()
            val candidate = Sandbox.candidate()
            Sandbox.fault(candidate, Fault.status(503).times(1))
            client.blocking().getCandidateStatus(candidate, "pos_1")
            val until = setOf(CandidateStatus.Selected)
            assertFails<RequestTimeoutException> { client.waitForStatus(candidate, "pos_1", until, 1500.milliseconds) }
            logger.level = Level.INFO
            logger.info("the last")
            return records.map { it.second }
        }
        try {
            assertEquals(listOf("the last"), retried(Level.OFF).map { it.message })
            retried(Level.FINE)
            val lines = listOf(
                Level.FINE to "attempt failed operation=status", Level.INFO to "waiting before the next attempt operation=status wait_ms=",
                Level.INFO to "waiting for the candidate's status operation=status wait_ms=",
            )
            Sandbox.eventually("the retry and the wait are logged") {
                lines.all { (level, start) -> records.any { it.second.level == level && it.second.message.startsWith(start) } }
            }
            val logged = records.filter { it.second.message != "the last" }
            assertTrue(logged.all { it.first.startsWith("celper-callback-") }, "${logged.map { it.first }}")
            assertTrue(logged.none { Sandbox.apiKey in it.second.message })
        } finally {
            logger.removeHandler(handler)
            logger.level = null
        }
    }

    private val spans = InMemorySpanExporter.create()
    private val metrics = InMemoryMetricReader.create()

    private fun sdk(sampler: Sampler = Sampler.alwaysOn()): OpenTelemetry = OpenTelemetrySdk.builder()
        .setTracerProvider(
            SdkTracerProvider.builder().setSampler(Sampler.parentBased(sampler)).addSpanProcessor(SimpleSpanProcessor.create(spans)).build(),
        )
        .setMeterProvider(SdkMeterProvider.builder().registerMetricReader(metrics).build())
        .buildAndRegisterGlobal()

    @AfterEach
    fun reset() = GlobalOpenTelemetry.resetForTest()

    private fun span(name: String, id: String): List<SpanData> = spans.finishedSpanItems.filter { it.name == name && it.parentSpanId == id }

    @Test
    fun `calls have spans under the coroutine's span, and metrics`() = runBlocking {
        val candidate = Sandbox.candidate()
        val other = Sandbox.candidate()
        val client = Sandbox.client(maxRetries = 1)
        // Nothing is asked of OpenTelemetry before the program has set it up.
        client.getCandidateStatus(candidate, "pos_1")
        val tracer = sdk().getTracer("test")
        Sandbox.fault(candidate, Fault.status(503).times(1))
        val parents = List(2) { tracer.spanBuilder("parent").startSpan() }
        coroutineScope {
            val calls = listOf(candidate to parents[0], other to parents[1]).map { (id, parent) ->
                async(Dispatchers.Default + Context.root().with(parent).asContextElement()) {
                    withContext(Dispatchers.IO) { client.inviteCandidate(id, "pos_1", emailBody = "secret text {interviewLink}") }
                }
            }
            calls.forEach { it.await() }
        }
        withContext(Context.root().with(parents[1]).asContextElement()) {
            assertFails<NotFoundException> { client.getCandidateStatus("nobody", "pos_1") }
            client.batch(listOf(StatusRequest(other, "pos_1"))).toList()
        }
        parents.forEach { it.end() }

        val (first, second) = parents.map { span("celper.invite", it.spanContext.spanId).single() }
        assertEquals(SpanKind.INTERNAL, first.kind)
        assertEquals(listOf("celper.wait"), first.events.map { it.name })
        val attempts = span("POST", first.spanId)
        assertEquals(listOf(503L, 200L), attempts.map { it.attribute("http.response.status_code") })
        assertEquals(listOf(null, 1L), attempts.map { it.attribute("http.request.resend_count") })
        assertEquals(listOf("503", null), attempts.map { it.attribute("error.type") })
        assertEquals(listOf(StatusCode.ERROR, StatusCode.UNSET), attempts.map { it.status.statusCode })
        with(attempts[0]) {
            assertEquals(SpanKind.CLIENT, kind)
            assertTrue(startEpochNanos >= first.startEpochNanos && endEpochNanos <= attempts[1].startEpochNanos)
            assertEquals("POST", attribute("http.request.method"))
            assertEquals("127.0.0.1", attribute("server.address"))
            assertTrue("REDACTED" in attribute("url.full").toString(), "$attributes")
        }
        assertEquals(1, span("POST", second.spanId).size)
        // The one that failed, and the batch's row.
        val reads = span("celper.status", parents[1].spanContext.spanId)
        assertEquals(listOf(StatusCode.ERROR, StatusCode.UNSET), reads.map { it.status.statusCode })
        val exported = spans.finishedSpanItems.toString()
        for (secret in listOf(Sandbox.apiKey, candidate, "secret text")) assertTrue(secret !in exported, exported)
        val counts = metrics.collectAllMetrics().associate { data -> data.name to data.histogramData.points.sumOf { it.count } }
        assertEquals(mapOf("http.client.request.duration" to 5L, "celper.wait.duration" to 1L), counts)
    }

    /** The exported spans below one, in the form of the cases that all languages share. */
    private fun tree(parent: String): JsonArray {
        val port = URI(Sandbox.baseUrl).port.toLong()
        fun plain(attributes: Attributes) = attributes.asMap().entries.associate { (key, value) ->
            key.key to if (value == port) "PORT" else if (value is Double) "SECONDS" else if (value is String) value.replace(Sandbox.baseUrl, "BASE") else value
        }
        val found = spans.finishedSpanItems.filter { it.parentSpanId == parent }.sortedBy { it.startEpochNanos }
        val json = found.map { span ->
            mapOf(
                "name" to span.name, "kind" to span.kind.name, "failed" to (span.status.statusCode == StatusCode.ERROR),
                "attributes" to plain(span.attributes),
                "events" to span.events.map { mapOf("name" to it.name, "attributes" to plain(it.attributes)) },
                "children" to tree(span.spanId),
            )
        }
        return Gson().toJsonTree(json).asJsonArray
    }

    @Test
    fun `the spans and histograms of calls are those of all languages`() = runBlocking {
        val shared = JsonParser.parseString(Files.readString(Path.of("../../tests/conformance/telemetry.json"))).asJsonObject
        val tracer = sdk().getTracer("test")
        val client = Sandbox.client()
        for (case in shared["cases"].asJsonArray.map { it.asJsonObject }) {
            val name = case["name"].asString
            val candidate = case["candidate_id"]?.asString ?: Sandbox.candidate()
            case["faults"]?.asJsonArray?.forEach { Sandbox.fault(candidate, fault(it.asJsonObject)) }
            val retries = case["max_retries"]?.asInt
            val parent = tracer.spanBuilder(name).startSpan()
            withContext(Context.root().with(parent).asContextElement()) {
                runCatching {
                    when (val call = case["call"]?.asString) {
                        null -> {
                            val timeout = case["timeout_seconds"]?.asDouble?.seconds ?: Duration.INFINITE
                            client.waitForStatus(candidate, "pos_1", setOf(CandidateStatus.of(case["wait"].asString)), timeout)
                        }
                        "invite" -> client.inviteCandidate(candidate, "pos_1", maxRetries = retries)
                        "select" -> client.selectCandidate(candidate, "pos_1", maxRetries = retries)
                        "reject" -> client.rejectCandidate(candidate, "pos_1", maxRetries = retries)
                        "status" -> client.getCandidateStatus(candidate, "pos_1", maxRetries = retries)
                        else -> throw AssertionError(call)
                    }
                }
            }
            assertEquals(JsonArray().apply { add(case["span"]) }, tree(parent.spanContext.spanId), name)
        }
        val histograms = metrics.collectAllMetrics().associate { it.name to listOf(it.unit, it.description, it.histogramData.points.first().boundaries) }
        for (expected in shared["histograms"].asJsonArray.map { it.asJsonObject }) {
            val boundaries = expected["boundaries"].asJsonArray.map { it.asDouble }
            assertEquals(listOf(expected["unit"].asString, expected["description"].asString, boundaries), histograms[expected["name"].asString])
        }
    }

    @Test
    fun `a wait or a call that is cancelled has a span, as has each read of a wait or a watch`() = runBlocking {
        sdk()
        val candidate = Sandbox.candidate()
        val slow = Sandbox.slowCandidate()
        val client = Sandbox.client()
        fun ended() = spans.finishedSpanItems.map { it.name to it.attribute("error.type") }.also { spans.reset() }
        val read = listOf("GET" to null, "celper.status" to null)
        assertNull(withTimeoutOrNull(1_000) { client.waitForStatus(candidate, "pos_1", setOf(CandidateStatus.Selected)) })
        assertEquals(read + ("celper.wait_for_status" to "CancellationException"), ended())
        assertNull(withTimeoutOrNull(100) { client.getCandidateStatus(slow, "pos_1") })
        assertEquals(listOf("celper.status" to "CancellationException"), ended())
        assertEquals(candidate, client.watchCandidates(listOf(candidate), "pos_1").first().candidateId)
        assertEquals(read, ended())
    }

    private fun fault(json: JsonObject): Fault = when (json["kind"].asString) {
        "close" -> Fault.close()
        else -> Fault.status(json["status"].asInt).let { fault -> json["body"]?.let { fault.body(it.asString) } ?: fault }
            .headers(json["headers"]?.asJsonObject?.entrySet().orEmpty().associate { it.key to it.value.asString })
    }

    @Test
    fun `sampling, redaction and propagation are as the program wants`() = runBlocking {
        val candidate = Sandbox.candidate()
        fun client(telemetry: Telemetry?) =
            Celper(apiKey = Sandbox.apiKey, baseUrl = Sandbox.baseUrl, rateLimits = null, telemetry = telemetry, timeout = 60.seconds)
        sdk(Sampler.alwaysOff())
        client(Telemetry()).getCandidateStatus(candidate, "pos_1")
        GlobalOpenTelemetry.resetForTest()
        val parent = sdk().getTracer("test").spanBuilder("parent").startSpan()
        withContext(Context.root().with(parent).asContextElement()) {
            client(null).getCandidateStatus(candidate, "pos_1")
            assertEquals(0, spans.finishedSpanItems.size)
            client(Telemetry(redact = false, propagate = true)).getCandidateStatus(candidate, "pos_1")
        }
        val attempt = spans.finishedSpanItems.single { it.name == "GET" }
        assertTrue(candidate in attempt.attribute("url.full").toString())
        fun headers() = Sandbox.requests(candidate).map { it.headers["traceparent"] }
        fun header(of: SpanContext) = "00-${of.traceId}-${of.spanId}-01"
        val expected = header(parent.spanContext)
        assertEquals(listOf(null, null, expected), headers())
        withContext(Context.root().with(parent).asContextElement()) {
            val tracing = client(Telemetry(propagate = true))
            tracing.batch(listOf(StatusRequest(candidate, "pos_1"))).toList()
            tracing.watchCandidates(listOf(candidate), "pos_1").first()
            tracing.waitForStatus(candidate, "pos_1", setOf(CandidateStatus.New))
        }
        val wait = spans.finishedSpanItems.single { it.name == "celper.wait_for_status" }
        assertEquals(parent.spanContext.spanId, wait.parentSpanId)
        assertEquals(listOf(expected, expected, header(wait.spanContext)), headers().drop(3))
    }

    private fun SpanData.attribute(name: String): Any? = attributes.asMap().entries.find { it.key.key == name }?.value
}

package ai.celper.sandbox

import com.sun.net.httpserver.HttpServer
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.URI
import java.net.URLClassLoader
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.attribute.PosixFilePermissions
import java.time.Duration

/** Each method has its effect on real requests. */
class SandboxTest {
    private val sandbox = Sandbox.start()
    private val http = HttpClient.newHttpClient()

    @AfterEach
    fun close() = sandbox.close()

    /** The status of the response to an action, or to a read of the status. */
    private fun call(
        candidate: String, operation: String = "invite", position: String = "pos_1", key: String = sandbox.apiKey, of: Sandbox = sandbox,
    ): Int {
        val url = "${of.baseUrl}/v1/candidates/$candidate/$operation"
        val request = HttpRequest.newBuilder().header("X-API-Key", key).header("X-Two", "1").header("X-Two", "2")
        when (operation) {
            "status" -> request.uri(URI("$url?jobPositionId=$position"))
            else -> request.uri(URI(url)).POST(HttpRequest.BodyPublishers.ofString("""{"jobPositionId":"$position"}"""))
        }
        return http.send(request.build(), HttpResponse.BodyHandlers.ofString()).statusCode()
    }

    @Test
    fun `candidates are created, changed and read`() {
        assertEquals(Candidate("cand_1", "pos_1", "new", false, null), sandbox.createCandidate())
        assertEquals("invited", sandbox.createCandidate("invited").status)
        val interviewed = sandbox.createInterviewedCandidate()
        assertEquals(Candidate("cand_3", "pos_1", "interviewed", true, 85.0), interviewed)
        val named = NewCandidate("é /?", "pos_2", extra = mapOf("tags" to listOf(1, null, "a")))
        assertEquals("é /?", sandbox.createCandidate(named).id)
        assertEquals(interviewed.copy(interviewScore = 7.5), sandbox.changeCandidate("cand_3", interviewScore = 7.5))
        assertEquals(listOf("cand_1", "cand_2", "cand_3", "é /?"), sandbox.candidates().map { it.id }.sorted())
        assertEquals("new", sandbox.candidate("é /?", "pos_2").status)
        assertThrows<NoSuchElementException> { sandbox.candidate("é /?") }
        assertEquals(200, call("%C3%A9%20%2F%3F", "status", "pos_2"))
        assertEquals(listOf("é /?"), sandbox.requests("é /?").map { it.candidateId })
        sandbox.reset()
        assertEquals(emptyList<Candidate>(), sandbox.candidates())
        assertEquals("cand_1", sandbox.createCandidate().id)
        assertEquals(200, call("cand_1"))
    }

    @Test
    fun `requests and e-mails are recorded`() {
        val start = sandbox.now()
        val candidate = sandbox.createCandidate().id
        sandbox.queueFault(candidate, Fault.status(503).act(Act.BEFORE).headers(mapOf("Retry-After" to 0)).operation(Operation.INVITE))
        assertEquals(200, call(candidate, "status"))
        assertEquals(503, call(candidate))
        val (read, invite) = sandbox.requests()
        assertEquals(listOf("GET", "jobPositionId=pos_1", null, 200, null, false), read.run { listOf(method, query, body, answered, fault, acted) })
        assertEquals(
            listOf("POST", "/v1/candidates/$candidate/invite", null, """{"jobPositionId":"pos_1"}""", 503, "status", true, false, false),
            invite.run { listOf(method, path, query, body, answered, fault, acted, replayed, clientClosed) },
        )
        assertEquals("1, 2", invite.headers["x-two"])
        assertTrue(Duration.between(start, invite.receivedAt) in Duration.ZERO..Duration.ofMinutes(1), "${invite.receivedAt}")
        val mail = sandbox.outbox().single()
        assertEquals(listOf(candidate, "pos_1", true, true), mail.run { listOf(candidateId, jobPositionId, defaultSubject, defaultBody) })
        assertTrue(mail.body.contains("{interviewLink}") || mail.body.contains(mail.interviewLink), mail.body)
        sandbox.clearOutbox()
        sandbox.clearRequests()
        assertEquals(0, sandbox.outbox().size + sandbox.requests().size)
    }

    @Test
    fun `the sandbox accepts each fault`() {
        val faults = listOf(
            Fault.status(500).body("text"), Fault.status(200).json(mapOf("success" to null)), Fault.delay(Duration.ofMillis(1)).act(Act.AFTER),
            Fault.close(), Fault.close(true), Fault.cut(), Fault.cut(1), Fault.drip(0.5), Fault.endless(), Fault.notJson(502).body("<html>"),
            Fault.huge(100_000), Fault.redirect("/", 302), Fault.answer(null), Fault.envelope(1), Fault.closeIdle().always(),
        )
        for (fault in faults) sandbox.queueFault("c", fault.times(2))
        @Suppress("UNCHECKED_CAST")
        val pending = sandbox.control("faults") as List<Map<String, Any?>>
        assertEquals(faults.map { it.fields["kind"] }, pending.map { it["kind"] })
        sandbox.clearFaults()
        assertEquals(emptyList<Any>(), sandbox.control("faults"))
        assertTrue(assertThrows<SandboxException> { sandbox.queueFault("c", Fault.status(1)) }.message!!.contains("status"))
    }

    @Test
    fun `the types list what the program accepts`() {
        val words = listOf(
            Triple(Operation.values().map { it.word }, "faults", mapOf("candidateId" to "c", "kind" to "close", "operation" to "?")),
            Triple(Act.values().map { it.word }, "faults", mapOf("candidateId" to "c", "kind" to "close", "act" to "?")),
            Triple(Scope.values().map { it.text }, "keys", mapOf("key" to "celp_x", "scopes" to listOf("?"))),
            Triple(KeyState.values().map { it.word }, "keys", mapOf("key" to "celp_x", "state" to "?")),
            Triple(CompanyState.values().map { it.word }, "company", mapOf("state" to "?")),
            Triple(DeliveryFault.values().map { it.word }, "webhook-faults", mapOf("kind" to "?")),
        )
        for ((listed, path, body) in words) {
            val refused = assertThrows<SandboxException> { sandbox.control(path, body) }
            assertEquals(listed, Regex("`([^`]+)`").findAll(refused.message!!).map { it.groupValues[1] }.drop(1).toList())
        }
    }

    @Test
    fun `access, limits and the clock`() {
        val candidate = sandbox.createCandidate().id
        val reader = sandbox.addKey(NewKey(scopes = setOf(Scope.READ_CANDIDATES)))
        assertEquals(listOf(200, 403, 401), listOf(call(candidate, "status", key = reader), call(candidate, key = reader), call(candidate, key = "celp_x")))
        assertEquals(403, call(candidate, key = sandbox.addKey(NewKey(allowlist = listOf("10.0.0.1")))))
        sandbox.setCompany(CompanyState.API_DISABLED)
        assertEquals(403, call(candidate))
        sandbox.setCompany(CompanyState.ACTIVE)
        sandbox.setLimits(Limits(actions = 0, window = Duration.ofMillis(2500)))
        assertEquals(listOf(429, 200), listOf(call(candidate), call(candidate, "status")))
        sandbox.setLimits(null)
        assertEquals(200, call(candidate))
        val before = sandbox.now()
        val week = Duration.ofDays(7)
        assertTrue(sandbox.advanceClock(week) >= before + week)
        assertEquals("expired", sandbox.candidate(candidate).status)
    }

    @Test
    fun `webhooks are delivered, and waited for`() {
        val statuses = ArrayDeque(listOf(500, 204, 204, 204))
        val server = HttpServer.create(InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0)
        server.createContext("/") { exchange ->
            exchange.requestBody.readAllBytes()
            exchange.sendResponseHeaders(statuses.removeFirst(), -1)
            exchange.close()
        }
        server.start()
        val candidate = sandbox.createCandidate().id
        sandbox.setWebhook("http://127.0.0.1:${server.address.port}/", "whsec_test")
        sandbox.queueDeliveryFault(DeliveryFault.TWICE)
        sandbox.queueDeliveryFault(DeliveryFault.LATE, Duration.ofMillis(10))
        call(candidate)
        val delivery = sandbox.waitForDelivery(candidate, "invited")
        assertEquals(listOf(candidate, 2, 204, null, DeliveryFault.TWICE), delivery.run { listOf(candidateId, attempt, answered, error, fault) })
        assertTrue(""""status":"invited"""" in delivery.body)
        sandbox.changeCandidate(candidate, status = "interviewed")
        assertEquals(DeliveryFault.LATE, sandbox.waitForDelivery(status = "interviewed").fault)
        assertEquals(500, sandbox.deliveries().first().answered)
        server.stop(0)
        sandbox.clearDeliveries()
        sandbox.changeCandidate(candidate, status = "rejected")
        while (sandbox.deliveries().isEmpty()) Thread.sleep(5)
        val none = assertThrows<SandboxException> { sandbox.waitForDelivery(candidate, timeout = Duration.ZERO) }
        assertTrue(Regex("attempts that failed: \\[\\w.*").containsMatchIn(none.message!!), none.message)
        sandbox.removeWebhook()
    }

    @Test
    fun `with options, and another key each`() {
        Sandbox.start(SandboxOptions(Limits(reads = 1), tls = true, serverNames = listOf("host.docker.internal"))).use { other ->
            assertTrue(other.baseUrl.startsWith("https://"))
            assertTrue(other.caCertificate!!.startsWith("-----BEGIN CERTIFICATE"))
            assertEquals("cand_1", other.createCandidate().id)
            assertNotEquals(sandbox.apiKey, other.apiKey)
        }
        Sandbox.start(SandboxOptions().withApiKey("celp_mine").withHost("127.0.0.1")).use { other ->
            assertEquals("celp_mine", other.apiKey)
            assertEquals(404, call("nobody", key = "celp_mine", of = other))
            assertEquals(other.apiKey, other.environment["CELPER_API_KEY"])
        }
    }

    @Test
    fun `a closed sandbox says so`() {
        sandbox.close()
        sandbox.close()
        assertTrue(assertThrows<SandboxException> { sandbox.candidates() }.message!!.startsWith("the sandbox at ${sandbox.baseUrl} does not respond"))
    }

    @Test
    fun `a program that cannot be run is an error that says what to do`(@TempDir folder: Path) {
        fun start(program: Path, options: SandboxOptions = SandboxOptions()) =
            assertThrows<SandboxException> { Sandbox.start(options.withProgram(program)) }.message!!
        val file = Files.writeString(folder.resolve("program"), "#!/bin/sh\necho something else\n")
        assertTrue("$file: " in start(file) && "mounted noexec" in start(file), start(file))
        file.toFile().setExecutable(true)
        assertEquals("$file is not celper-sandbox: it printed \"something else\"", start(file))
        assertTrue("set CELPER_SANDBOX" in start(folder.resolve("none")))
        val refused = assertThrows<SandboxException> { Sandbox.start(SandboxOptions(host = "nowhere")) }
        assertTrue("nowhere" in refused.message!!, refused.message)
    }

    @Test
    fun `the program of the class path is extracted for this user only`(@TempDir folder: Path) {
        val resource = folder.resolve("ai/celper/sandbox/program/${Program.platform}/celper-sandbox")
        val resources = URLClassLoader(arrayOf(folder.toUri().toURL()), null)
        val missing = assertThrows<SandboxException> { Program.extract(resources, folder) }
        assertTrue("ai.celper:celper-sandbox:VERSION:${Program.platform}" in missing.message!!, missing.message)
        Files.createDirectories(resource.parent)
        Files.writeString(resource, "program")
        val program = Program.extract(resources, folder)
        assertTrue(Files.isExecutable(program) && Files.readString(program) == "program")
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(program.parent)))
        val refused = assertThrows<SandboxException> { Program.extract(resources, folder.resolve("none")) }
        assertTrue("-Djava.io.tmpdir=FOLDER, or set CELPER_SANDBOX" in refused.message!!, refused.message)
    }

    @Test
    fun `platforms have the names of their artefacts`() {
        assertEquals("linux-x86_64", Program.platform("Linux", "amd64"))
        assertEquals("osx-aarch64", Program.platform("Mac OS X", "aarch64"))
        assertEquals("windows-x86_64", Program.platform("Windows 11", "amd64"))
        assertFalse(Program.platform.contains(' '))
    }
}

package ai.celper.sandbox

import com.google.gson.GsonBuilder
import com.google.gson.JsonElement
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import com.google.gson.ToNumberPolicy
import java.io.IOException
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.security.KeyStore
import java.security.cert.CertificateFactory
import java.time.Duration
import java.time.Instant
import javax.net.ssl.SSLContext
import javax.net.ssl.TrustManagerFactory

/** Calls the control endpoints of a sandbox. */
internal class Control(private val baseUrl: String, caCertificate: String?) {
    // A proxy of the machine must not be used for the machine itself.
    private val http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).proxy(HttpClient.Builder.NO_PROXY)
        .apply { if (caCertificate != null) sslContext(trusting(caCertificate)) }.build()

    fun ask(path: String, body: Any? = null, method: String = if (body == null) "GET" else "POST"): JsonElement {
        val content = body?.let { HttpRequest.BodyPublishers.ofString(gson.toJson(it)) } ?: HttpRequest.BodyPublishers.noBody()
        val request = HttpRequest.newBuilder(URI.create("$baseUrl/_sandbox/$path")).method(method, content).timeout(Duration.ofSeconds(60))
        val response = try {
            http.send(request.build(), HttpResponse.BodyHandlers.ofString())
        } catch (e: IOException) {
            throw SandboxException("the sandbox at $baseUrl does not respond: $e", e)
        } catch (e: InterruptedException) {
            Thread.currentThread().interrupt()
            throw SandboxException("the thread was interrupted", e)
        }
        val json = JsonParser.parseString(response.body())
        if (response.statusCode() >= 400) throw SandboxException(json.asJsonObject["error"].asString)
        return json
    }

    companion object {
        private val gson = GsonBuilder().serializeNulls().disableHtmlEscaping().setObjectToNumberStrategy(ToNumberPolicy.LONG_OR_DOUBLE).create()

        /** JSON as maps, lists, text, `Long`, `Double`, `Boolean` and null. */
        fun plain(json: JsonElement): Any? = gson.fromJson(json, Any::class.java)

        private fun trusting(pem: String): SSLContext {
            val certificate = CertificateFactory.getInstance("X.509").generateCertificate(pem.byteInputStream())
            val store = KeyStore.getInstance(KeyStore.getDefaultType()).apply {
                load(null)
                setCertificateEntry("sandbox", certificate)
            }
            val managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm()).apply { init(store) }
            return SSLContext.getInstance("TLS").apply { init(null, managers.trustManagers, null) }
        }
    }
}

internal fun JsonElement.objects(): List<JsonObject> = asJsonArray.map { it.asJsonObject }

internal fun JsonObject.text(name: String): String = get(name).asString

internal fun JsonObject.flag(name: String): Boolean = get(name).asBoolean

internal fun JsonObject.time(name: String): Instant = Instant.parse(text(name))

internal fun JsonObject.optional(name: String): JsonElement? = get(name)?.takeUnless { it.isJsonNull }

internal fun candidate(json: JsonObject) = Candidate(
    id = json.text("candidateId"),
    jobPositionId = json.text("jobPositionId"),
    status = json.text("status"),
    analysisViewed = json.flag("analysisViewed"),
    interviewScore = json.optional("interviewScore")?.asDouble,
)

internal fun request(json: JsonObject) = RecordedRequest(
    method = json.text("method"),
    path = json.text("path"),
    query = json.optional("query")?.asString,
    candidateId = json.optional("candidateId")?.asString,
    headers = json.getAsJsonObject("header").entrySet().associate { it.key to it.value.asString },
    body = json.optional("body")?.asString,
    receivedAt = json["receivedAt"].asBigDecimal.let { Instant.ofEpochSecond(0, it.movePointRight(9).toLong()) },
    answered = json.optional("answered")?.asInt,
    fault = json.optional("fault")?.asString,
    acted = json.flag("acted"),
    replayed = json.flag("replayed"),
    clientClosed = json.flag("clientClosed"),
)

internal fun mail(json: JsonObject) = Mail(
    candidateId = json.text("candidateId"),
    jobPositionId = json.text("jobPositionId"),
    sessionId = json.text("sessionId"),
    interviewLink = json.text("interviewLink"),
    subject = json.text("subject"),
    body = json.text("body"),
    defaultSubject = json.flag("defaultSubject"),
    defaultBody = json.flag("defaultBody"),
    queuedAt = json.time("queuedAt"),
)

internal fun delivery(json: JsonObject) = Delivery(
    candidateId = json.text("candidateId"),
    status = json.text("status"),
    attempt = json["attempt"].asInt,
    body = json.text("body"),
    answered = json.optional("answered")?.asInt,
    error = json.optional("error")?.asString,
    fault = json.optional("fault")?.asJsonObject?.let { DeliveryFault.valueOf(it.text("kind").uppercase()) },
    endedAt = json.time("endedAt"),
)

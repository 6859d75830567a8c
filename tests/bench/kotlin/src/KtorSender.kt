import io.ktor.client.HttpClient
import io.ktor.client.engine.cio.CIO
import io.ktor.client.engine.cio.endpoint
import io.ktor.client.request.HttpRequestBuilder
import io.ktor.client.request.get
import io.ktor.client.request.header
import io.ktor.client.request.post
import io.ktor.client.request.setBody
import io.ktor.client.statement.HttpResponse
import io.ktor.client.statement.bodyAsText
import io.ktor.http.ContentType
import io.ktor.http.contentType
import kotlinx.coroutines.runBlocking

private const val NO_LIMIT = 2_000

/** By default Ktor's CIO engine opens 100 connections to a host: here none of the calls waits for another. */
class KtorSender(private val baseUrl: String) : Sender {
    private val client = HttpClient(CIO) {
        engine {
            maxConnectionsCount = NO_LIMIT
            endpoint { maxConnectionsPerRoute = NO_LIMIT }
        }
    }

    override suspend fun get(path: String): Answer = client.get(baseUrl + path) { common() }.read()

    override fun getBlocking(path: String): Answer = runBlocking { get(path) }

    override suspend fun post(path: String, body: String, idempotencyKey: String): Answer =
        client.post(baseUrl + path) {
            common()
            header("Idempotency-Key", idempotencyKey)
            contentType(ContentType.Application.Json)
            setBody(body)
        }.read()

    override fun close() = client.close()

    private fun HttpRequestBuilder.common() {
        header("X-API-Key", API_KEY)
        header("Accept", "application/json")
    }

    private suspend fun HttpResponse.read() = Answer(status.value, bodyAsText())
}

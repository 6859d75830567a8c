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

/** Raises the limit of Ktor's CIO engine, 100 connections per host, so that no call waits for another. */
class KtorSender(private val baseUrl: String) : Sender {
    private val client = HttpClient(CIO) {
        engine {
            maxConnectionsCount = NO_LIMIT
            endpoint { maxConnectionsPerRoute = NO_LIMIT }
        }
    }

    override suspend fun get(path: String): RawResponse = client.get(baseUrl + path) { common() }.read()

    override fun getBlocking(path: String): RawResponse = runBlocking { get(path) }

    override suspend fun post(path: String, body: String, idempotencyKey: String): RawResponse =
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

    private suspend fun HttpResponse.read() = RawResponse(status.value, bodyAsText())
}

import kotlinx.coroutines.future.await
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse

/** The JDK's client. With its default, HTTP/2, it would request an upgrade with every request. */
class JavaSender(private val baseUrl: String) : Sender {
    private val client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()

    override suspend fun get(path: String): RawResponse = send(request(path).build())

    override fun getBlocking(path: String): RawResponse =
        client.send(request(path).build(), HttpResponse.BodyHandlers.ofString()).read()

    override suspend fun post(path: String, body: String, idempotencyKey: String): RawResponse = send(
        request(path)
            .header("Idempotency-Key", idempotencyKey)
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build(),
    )

    private suspend fun send(request: HttpRequest): RawResponse =
        client.sendAsync(request, HttpResponse.BodyHandlers.ofString()).await().read()

    private fun request(path: String) =
        HttpRequest.newBuilder(URI(baseUrl + path)).header("X-API-Key", API_KEY).header("Accept", "application/json")

    private fun HttpResponse<String>.read() = RawResponse(statusCode(), body())
}

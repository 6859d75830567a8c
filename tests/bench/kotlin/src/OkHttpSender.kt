import kotlinx.coroutines.suspendCancellableCoroutine
import okhttp3.Call
import okhttp3.Callback
import okhttp3.ConnectionPool
import okhttp3.Dispatcher
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import okhttp3.Response
import java.io.IOException
import java.util.concurrent.TimeUnit
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException

private const val NO_LIMIT = 2_000
private val JSON = "application/json".toMediaType()

/** Raises OkHttp's limits, 5 concurrent requests per host and 5 idle connections, so that no call waits for another. */
class OkHttpSender(private val baseUrl: String) : Sender {
    private val client = OkHttpClient.Builder()
        .dispatcher(Dispatcher().apply { maxRequests = NO_LIMIT; maxRequestsPerHost = NO_LIMIT })
        .connectionPool(ConnectionPool(NO_LIMIT, 5, TimeUnit.MINUTES))
        .build()

    override suspend fun get(path: String): RawResponse = send(request(path).build())

    override fun getBlocking(path: String): RawResponse = client.newCall(request(path).build()).execute().read()

    override suspend fun post(path: String, body: String, idempotencyKey: String): RawResponse =
        send(request(path).header("Idempotency-Key", idempotencyKey).post(body.toRequestBody(JSON)).build())

    override fun close() = client.dispatcher.executorService.shutdown()

    private fun request(path: String) =
        Request.Builder().url(baseUrl + path).header("X-API-Key", API_KEY).header("Accept", "application/json")

    private fun Response.read(): RawResponse = use { RawResponse(it.code, it.body.string()) }

    private suspend fun send(request: Request): RawResponse = suspendCancellableCoroutine { continuation ->
        val call = client.newCall(request)
        continuation.invokeOnCancellation { call.cancel() }
        call.enqueue(
            object : Callback {
                override fun onFailure(call: Call, e: IOException) = continuation.resumeWithException(e)

                override fun onResponse(call: Call, response: Response) {
                    try {
                        continuation.resume(response.read())
                    } catch (e: IOException) {
                        continuation.resumeWithException(e)
                    }
                }
            },
        )
    }
}

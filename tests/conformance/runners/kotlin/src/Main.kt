// The Kotlin runner: carries out the calls that it is told, through the package's public API, and cancels them by their jobs.

import ai.celper.Celper
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.async
import kotlinx.coroutines.launch

fun main() {
    // The native library is loaded with the first client.
    Celper.fromEnvironment().close()
    write(mapOf("ready" to "kotlin"))
    val runner = Runner()
    for (line in System.`in`.bufferedReader().lineSequence()) runner.handle(JsonParser.parseString(line).asJsonObject)
    // Calls under way, which may take minutes yet, keep nothing alive.
}

private class Runner {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    private val clients = HashMap<String, Celper>()
    private var cancellable: Pair<Int, Deferred<Answer>>? = null

    fun handle(request: JsonObject) {
        val client = clients[request.text("client")]
        when (val what = request.text("do")) {
            "open" -> request.answer {
                val opened = request.getAsJsonObject("options")?.let(::open) ?: Celper.fromEnvironment()
                clients[request["client"].asString] = opened
                opened(opened)
            }
            "call" -> {
                val call = scope.async { returned(request.call(checkNotNull(client) { "there is no such client" })) }
                if (request["cancellable"]?.asBoolean == true) cancellable = request.id to call
                // Not by the coroutine of the call: one that is cancelled before it has begun never does.
                scope.launch { request.answer { call.await() } }
            }
            "cancel" -> cancellable?.let { (id, call) -> if (id == request.count("call")) call.cancel() }
            "close" -> request.answer {
                checkNotNull(client) { "there is no such client" }.close()
                mapOf("closed" to true)
            }
            else -> request.answer { error("there is nothing to do for $what") }
        }
    }
}

private val JsonObject.id: Int get() = this["id"].asInt

private inline fun JsonObject.answer(said: () -> Answer) {
    val answer = try {
        said()
    } catch (thrown: Throwable) {
        thrown(thrown)
    }
    write(mapOf("id" to id) + answer)
}

// The Kotlin runner: makes the calls that the harness requests, through the package's public API. A call is cancelled by its
// job.

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
    // The first client loads the native library.
    Celper.fromEnvironment().close()
    write(mapOf("ready" to "kotlin"))
    val runner = Runner()
    for (line in System.`in`.bufferedReader().lineSequence()) runner.handle(JsonParser.parseString(line).asJsonObject)
    // Calls in progress run on daemon threads, which do not keep the process alive.
}

private class Runner {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    private val clients = HashMap<String, Celper>()
    private var cancellable: Pair<Int, Deferred<Response>>? = null

    fun handle(command: JsonObject) {
        val client = clients[command.text("client")]
        when (val name = command.text("command")) {
            "open" -> command.respond {
                val opened = command.getAsJsonObject("options")?.let(::open) ?: Celper.fromEnvironment()
                clients[command["client"].asString] = opened
                opened(opened)
            }
            "call", "batch" -> {
                val call = scope.async {
                    checkNotNull(client) { "unknown client" }
                    if (name == "batch") command.batch(client) else returned(command.call(client))
                }
                if (command["cancellable"]?.asBoolean == true) cancellable = command.id to call
                // The coroutine of the call cannot respond: one that is cancelled before it starts never runs.
                scope.launch { command.respond { call.await() } }
            }
            "cancel" -> cancellable?.let { (id, call) -> if (id == command.count("call_id")) call.cancel() }
            "close" -> command.respond {
                checkNotNull(client) { "unknown client" }.close()
                mapOf("closed" to true)
            }
            else -> command.respond { error("unknown command $name") }
        }
    }
}

private val JsonObject.id: Int get() = this["id"].asInt

private inline fun JsonObject.respond(execute: () -> Response) {
    val response = try {
        execute()
    } catch (thrown: Throwable) {
        thrown(thrown)
    }
    write(mapOf("id" to id) + response)
}

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.Json
import java.util.concurrent.Callable
import java.util.concurrent.Executors

/**
 * Measures one client in its own process: the time to load it, then rounds of calls that the runner requests.
 *
 * The arguments are CLIENT and BASE_URL. Reads requests as JSON lines from standard input and writes one line for each. The README
 * of the benchmarks describes them.
 */
fun main(arguments: Array<String>) {
    val (name, baseUrl) = arguments
    val start = System.nanoTime()
    val client = CLIENTS.getValue(name)(baseUrl)
    val loadUs = (System.nanoTime() - start) / 1e3
    runBlocking { call(client, "status") }
    val firstUs = System.currentTimeMillis() * 1e3 - System.getenv("BENCH_STARTED").toDouble() * 1e6
    write(mapOf("load_us" to loadUs, "first_us" to firstUs))
    runBlocking { checkDecisions(client.select("cand_xyz789"), client.reject("cand_xyz789")) }

    val paced = if (name == "celper") CelperCalls(baseUrl, paced = true) else client
    while (true) {
        val request = Json.decodeFromString<Request>(readlnOrNull() ?: break)
        if (request.operation == "held") held(client, request.calls) else round(if (request.paced) paced else client, request)
    }
    client.close()
}

private val EMAIL_BODY = "x".repeat(1_000)

/** Makes one call and checks its result. */
private suspend fun call(client: Calls, operation: String) {
    when (operation) {
        "invite" -> checkInvitation(client.invite("cand_xyz789", EMAIL_BODY))
        "missing" -> checkError(client.missing("unknown"))
        "held" -> checkState(client.status("held"))
        else -> checkState(client.status("cand_xyz789"))
    }
}

private fun callBlocking(client: Calls, operation: String) {
    check(operation == "status")
    checkState(client.statusBlocking("cand_xyz789"))
}

private fun round(client: Calls, request: Request) {
    resetPeak()
    val start = Usage()
    if (request.threads == 1) {
        // All calling code runs on this thread, as on an app's main thread.
        runBlocking { callers(client, request.operation, request.calls, request.inFlight) }
    } else {
        onThreads(client, request)
    }
    write(start.perCall(request.calls))
}

private fun CoroutineScope.callers(client: Calls, operation: String, calls: Int, callers: Int): List<Job> =
    List(callers) { launch { repeat(calls / callers) { call(client, operation) } } }

private fun onThreads(client: Calls, request: Request) {
    val threads = Executors.newFixedThreadPool(request.threads)
    val caller = Callable { repeat(request.calls / request.threads) { callBlocking(client, request.operation) } }
    threads.invokeAll(List(request.threads) { caller }).forEach { it.get() }
    threads.shutdown()
}

/** Measures the memory of each of a number of calls for which the server withholds its responses. */
private fun held(client: Calls, calls: Int) {
    val before = memoryBytes()
    val all = CoroutineScope(Dispatchers.Default).callers(client, "held", calls, calls)
    // The runner writes a line when all calls have arrived, and releases them later.
    readln()
    write(mapOf("calls" to calls, "bytes" to (memoryBytes() - before) / calls))
    runBlocking { all.joinAll() }
    write(mapOf("calls" to calls))
}

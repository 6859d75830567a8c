import com.sun.management.OperatingSystemMXBean
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import java.io.File
import java.lang.management.ManagementFactory

/** A request from the runner. */
@Serializable
class Request(
    val operation: String = "",
    @SerialName("in_flight") val inFlight: Int = 1,
    val threads: Int = 1,
    val paced: Boolean = false,
    val busy: Boolean = false,
    val calls: Int,
)

fun write(message: Map<String, Number>) {
    println(JsonObject(message.mapValues { (_, value) -> JsonPrimitive(value) }))
}

private val system = ManagementFactory.getOperatingSystemMXBean() as OperatingSystemMXBean
private val threads = ManagementFactory.getThreadMXBean()

/** The process's clock and CPU times when it is created. They include the JIT compiler and the garbage collector. */
class Usage {
    private val wall = System.nanoTime()
    private val cpu = system.processCpuTime
    private val main = threads.currentThreadCpuTime

    /** The times since then, divided by a number of calls. */
    fun perCall(calls: Int): Map<String, Number> {
        val now = Usage()
        fun each(nanoseconds: Long) = nanoseconds / 1e3 / calls
        return mapOf(
            "calls" to calls,
            "wall_us" to each(now.wall - wall),
            "cpu_us" to each(now.cpu - cpu),
            "main_cpu_us" to each(now.main - main),
            "peak_kb" to status("VmHWM"),
        )
    }
}

/** Resets the kernel's record of this process's peak size. */
fun resetPeak() {
    File("/proc/self/clear_refs").writeText("5")
}

/** The size of the live objects and of all memory outside the heap. The heap itself is fully resident from the start. */
fun memoryBytes(): Double {
    val runtime = Runtime.getRuntime()
    // The second collection frees what cleaners and reference queues still held in the first.
    repeat(2) {
        System.gc()
        Thread.sleep(200)
    }
    return status("VmRSS") * 1_024.0 - runtime.totalMemory() + (runtime.totalMemory() - runtime.freeMemory())
}

private fun status(field: String): Long =
    File("/proc/self/status").readLines().first { it.startsWith("$field:") }.filter(Char::isDigit).toLong()

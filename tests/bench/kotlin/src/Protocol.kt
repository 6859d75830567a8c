import com.sun.management.OperatingSystemMXBean
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import java.io.File
import java.lang.management.ManagementFactory

/** What the runner asks for. */
@Serializable
class Request(
    val operation: String = "",
    @SerialName("in_flight") val inFlight: Int = 1,
    val threads: Int = 1,
    val paced: Boolean = false,
    val busy: Boolean = false,
    val calls: Int,
)

fun write(answer: Map<String, Number>) {
    println(JsonObject(answer.mapValues { (_, value) -> JsonPrimitive(value) }))
}

private val system = ManagementFactory.getOperatingSystemMXBean() as OperatingSystemMXBean
private val threads = ManagementFactory.getThreadMXBean()

/** What this process has spent when this is made. The CPU time is also the compiler's and the garbage collector's. */
class Spent {
    private val wall = System.nanoTime()
    private val cpu = system.processCpuTime
    private val main = threads.currentThreadCpuTime

    /** What has been spent since, for each of so many calls. */
    fun answer(calls: Int): Map<String, Number> {
        val now = Spent()
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

/** Lets the system's record of this process's largest size begin again. */
fun forgetPeak() {
    File("/proc/self/clear_refs").writeText("5")
}

/** Bytes of objects that are in use, and of everything beside the heap, which is resident as a whole from the start. */
fun memory(): Double {
    val runtime = Runtime.getRuntime()
    // What waited for a cleaner or a reference queue goes with the second.
    repeat(2) {
        System.gc()
        Thread.sleep(200)
    }
    return status("VmRSS") * 1_024.0 - runtime.totalMemory() + (runtime.totalMemory() - runtime.freeMemory())
}

private fun status(field: String): Long =
    File("/proc/self/status").readLines().first { it.startsWith("$field:") }.filter(Char::isDigit).toLong()

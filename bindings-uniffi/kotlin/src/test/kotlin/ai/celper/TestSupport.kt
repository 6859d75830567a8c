package ai.celper

import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.assertThrows
import java.io.File
import java.util.concurrent.TimeUnit

/** Asserts that a call fails with [E], and returns the exception. */
inline fun <reified E : CelperException> assertFails(crossinline call: suspend () -> Unit): E =
    assertThrows { runBlocking { call() } }

/** The class path of the tests. */
fun testClasspath(): String = System.getProperty("surefire.test.class.path") ?: System.getProperty("java.class.path")

/** The exit status and the output, standard error included, of a Java program. */
class ProgramResult(val status: Int, val lines: List<String>)

/** Runs a Java program whose environment configures the client for the sandbox. */
fun runJava(classpath: String, vararg arguments: String): ProgramResult {
    val java = File(System.getProperty("java.home"), "bin/java").path
    val output = File.createTempFile("celper", ".txt")
    try {
        val builder = ProcessBuilder(listOf(java, "-cp", classpath) + arguments).redirectErrorStream(true).redirectOutput(output)
        builder.environment() += mapOf("CELPER_API_KEY" to Sandbox.apiKey, "CELPER_BASE_URL" to Sandbox.baseUrl)
        val process = builder.start()
        val ended = process.waitFor(120, TimeUnit.SECONDS)
        process.destroyForcibly()
        check(ended) { "still running after 120 s: ${output.readLines()}" }
        return ProgramResult(process.exitValue(), output.readLines())
    } finally {
        output.delete()
    }
}

package ai.celper

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.util.concurrent.TimeUnit

class ReadmeTest {
    @Test
    fun `the README's first call runs as it stands there, and ends`() {
        for ((candidate, status) in mapOf("cand_xyz789" to "new", "cand_interviewed" to "interviewed")) {
            val description = """{"candidateId":"$candidate","jobPositionId":"pos_abc123","status":"$status"}"""
            Sandbox.control("candidates", description)
        }
        val classpath = System.getProperty("surefire.test.class.path") ?: System.getProperty("java.class.path")
        val java = File(System.getProperty("java.home"), "bin/java").path
        val output = File.createTempFile("celper", ".txt")
        val program = ProcessBuilder(java, "-cp", classpath, "FirstCallKt").redirectErrorStream(true).redirectOutput(output)
        program.environment() += mapOf("CELPER_API_KEY" to Sandbox.apiKey, "CELPER_BASE_URL" to Sandbox.baseUrl)
        val process = program.start()
        val ended = process.waitFor(120, TimeUnit.SECONDS)
        process.destroyForcibly()
        val lines = output.readLines()
        output.delete()
        assertTrue(ended, "it still runs after: $lines")
        assertEquals(0, process.exitValue(), "$lines")
        assertEquals(listOf("new null", "view the analysis first"), lines.filterNot { it.startsWith("open until 20") })
        assertEquals(3, lines.size)
    }
}

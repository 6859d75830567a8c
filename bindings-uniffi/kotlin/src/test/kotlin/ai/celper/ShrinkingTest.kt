package ai.celper

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.util.zip.ZipFile

/** An app is shrunk and renamed before it ships, and reads its rules for that from our jar. R8 takes the same rules. */
class ShrinkingTest {
    @Test
    fun `a program that ProGuard has shrunk still calls`(@TempDir folder: File) {
        val shrunk = File(folder, "shrunk.jar")
        val path = classpath().split(File.pathSeparator).map(::File)
        val ours = path.first { File(it, "ai/celper/Celper.class").exists() || it.name.startsWith("celper-") }
        val program = path.first { File(it, "FirstCallKt.class").exists() }
        val libraries = path.filter { file -> listOf("kotlin-stdlib-", "kotlinx-coroutines-", "jna-").any { file.name.startsWith(it) } }
        val rules = File(folder, "app.pro")
        rules.writeText(
            buildString {
                appendLine("-injars '$program'(FirstCallKt*.class)")
                for (input in libraries + ours) appendLine("-injars '$input'(!META-INF/versions/**,!META-INF/MANIFEST.MF)")
                appendLine("-outjars '$shrunk'")
                appendLine("-libraryjars '${System.getProperty("java.home")}/jmods'")
                appendLine("-keep class FirstCallKt { public static void main(java.lang.String[]); }")
                // What an Android build reads by itself from the libraries' jars.
                appendLine("-include '${File(ours, "META-INF/proguard/celper.pro")}'")
                appendLine(ShrinkingTest::class.java.getResource("/META-INF/proguard/coroutines.pro")!!.readText())
                appendLine("-dontwarn org.jetbrains.annotations.**,android.annotation.SuppressLint\n-dontnote **\n-dontoptimize")
            },
        )
        val (shrinking, said) = java(folder, "proguard.ProGuard", "@$rules", classpath = classpath())
        assertEquals(0, shrinking, said.joinToString("\n"))
        val names = ZipFile(shrunk).use { zip -> zip.entries().asSequence().map { it.name }.toList() }
        assertTrue("ai/celper/CelperFutures.class" !in names, "it has shrunk the jar at all")

        Sandbox.control("candidates", """{"candidateId":"cand_xyz789","jobPositionId":"pos_abc123","status":"interviewed"}""")
        val (status, output) = java(folder, "FirstCallKt", classpath = "$shrunk")
        assertTrue(output.first().startsWith("interviewed"), "$output")
        assertTrue(status == 1 && output.any { "ai.celper.InvalidStatusException: invite: " in it }, "$output")
    }

    private fun classpath() = System.getProperty("surefire.test.class.path") ?: System.getProperty("java.class.path")

    private fun java(folder: File, vararg arguments: String, classpath: String): Pair<Int, List<String>> {
        val java = File(System.getProperty("java.home"), "bin/java").path
        val output = File(folder, "output")
        val process = ProcessBuilder(listOf(java, "-cp", classpath) + arguments).redirectErrorStream(true).redirectOutput(output)
        process.environment() += mapOf("CELPER_API_KEY" to Sandbox.apiKey, "CELPER_BASE_URL" to Sandbox.baseUrl)
        val status = process.start().waitFor()
        return status to output.readLines()
    }
}

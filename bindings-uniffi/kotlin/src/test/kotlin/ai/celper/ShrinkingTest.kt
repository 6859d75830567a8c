package ai.celper

import ai.celper.sandbox.NewCandidate
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.util.zip.ZipFile

/** Android builds shrink and rename an app with the keep rules in our jar. ProGuard and R8 take the same rules. */
class ShrinkingTest {
    @Test
    fun `a program that ProGuard has shrunk can still make calls`(@TempDir folder: File) {
        val shrunk = File(folder, "shrunk.jar")
        val path = testClasspath().split(File.pathSeparator).map(::File)
        val celper = path.first { File(it, "ai/celper/Celper.class").exists() || it.name.startsWith("celper-") }
        val program = path.first { File(it, "FirstCallKt.class").exists() }
        val libraries = path.filter { file -> listOf("kotlin-stdlib-", "kotlinx-coroutines-", "jna-").any { file.name.startsWith(it) } }
        val rules = File(folder, "app.pro")
        rules.writeText(
            buildString {
                appendLine("-injars '$program'(FirstCallKt*.class)")
                for (input in libraries + celper) appendLine("-injars '$input'(!META-INF/versions/**,!META-INF/MANIFEST.MF)")
                appendLine("-outjars '$shrunk'")
                appendLine("-libraryjars '${System.getProperty("java.home")}/jmods'")
                appendLine("-keep class FirstCallKt { public static void main(java.lang.String[]); }")
                // An Android build reads these rules from the libraries' jars.
                appendLine("-include '${File(celper, "META-INF/proguard/celper.pro")}'")
                appendLine(ShrinkingTest::class.java.getResource("/META-INF/proguard/coroutines.pro")!!.readText())
                appendLine("-dontwarn org.jetbrains.annotations.**,android.annotation.SuppressLint\n-dontnote **\n-dontoptimize")
            },
        )
        val shrinking = runJava(testClasspath(), "proguard.ProGuard", "@$rules")
        assertEquals(0, shrinking.status, shrinking.lines.joinToString("\n"))
        val names = ZipFile(shrunk).use { zip -> zip.entries().asSequence().map { it.name }.toList() }
        assertTrue("ai/celper/CelperFutures.class" !in names, "ProGuard removed no unused class")

        Sandbox.server.createCandidate(NewCandidate("cand_xyz789", "pos_abc123", "interviewed"))
        val run = runJava("$shrunk", "FirstCallKt")
        assertTrue(run.lines.first().startsWith("interviewed"), "${run.lines}")
        assertTrue(run.status == 1 && run.lines.any { "ai.celper.InvalidStatusException: invite: " in it }, "${run.lines}")
    }
}

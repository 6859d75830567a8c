package ai.celper

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.net.URLClassLoader
import javax.tools.ToolProvider

/** The package in other programs: their class loaders, modules, versions of Kotlin, and temporary folders. */
class LoadingTest {
    private val classpath = testClasspath().split(File.pathSeparator).map(::File)

    private fun <T> withProperty(name: String, value: String, test: () -> T): T {
        val before: String? = System.setProperty(name, value)
        try {
            return test()
        } finally {
            if (before == null) System.clearProperty(name) else System.setProperty(name, before)
        }
    }

    /** The package in a class loader of its own, as in an application server. */
    private inner class Application(key: String) {
        private val loader = URLClassLoader(classpath.map { it.toURI().toURL() }.toTypedArray(), ClassLoader.getPlatformClassLoader())
        private val program = loader.loadClass("ai.celper.Application")

        init {
            program.getMethod("open", String::class.java, String::class.java).invoke(null, Sandbox.baseUrl, key)
        }

        fun status(candidate: String) = program.getMethod("status", String::class.java).invoke(null, candidate) as String
    }

    @Test
    fun `each of two class loaders that share a library file uses its own key provider`() {
        val folder = File("target/native/linux-x86-64").absolutePath
        withProperty("jna.library.path", folder) {
            val first = Application(Sandbox.apiKey)
            assertEquals("new", first.status(Sandbox.candidate()))
            val second = Application("celp_00000000000000000000000000000000")
            assertEquals("authentication", second.status(Sandbox.candidate()))
            assertEquals("new", first.status(Sandbox.candidate()))
        }
        assertTrue(File("/proc/self/maps").readLines().any { folder in it }, "the applications did not share the file")
    }

    @Test
    fun `the package runs with the newest Kotlin and coroutines`() {
        val replaced = classpath.filterNot { file -> listOf("kotlin-stdlib-", "kotlinx-coroutines-").any { file.name.startsWith(it) } }
        val newest = File("target/newest").listFiles().orEmpty().toList()
        assertEquals(2, newest.count { it.name.startsWith("kotlin-stdlib-") || it.name.startsWith("kotlinx-coroutines-core-jvm-") })
        val program = runJava((newest + replaced).joinToString(File.pathSeparator), "ai.celper.Application", Sandbox.candidate())
        assertEquals(listOf("new", "new", "new"), program.lines)
        assertEquals(0, program.status)
    }

    @Test
    fun `a temporary folder that cannot be used is an exception that says what to set`() {
        for (library in listOf("jna", "celper")) {
            // JNA's own library is extracted to the same folder; with the second property it needs no extraction.
            val options = if (library == "jna") emptyList() else listOf("-Djna.boot.library.path=${extractedJna().path}")
            val arguments = options + listOf("-Djna.tmpdir=/proc/self", "ai.celper.Application", "c")
            val program = runJava(classpathOfJars(), *arguments.toTypedArray())
            val text = program.lines.joinToString("\n")
            assertTrue("InvalidArgumentException: client: the native library" in text && "-Djna.tmpdir=FOLDER" in text, text)
            assertEquals(1, program.status)
        }
    }

    @TempDir
    lateinit var folder: File

    /** The class path with the package in a jar; JNA loads a library that is a file where it is. */
    private fun classpathOfJars(): String = classpath.joinToString(File.pathSeparator) { entry ->
        if (!File(entry, "ai/celper/Celper.class").exists()) return@joinToString entry.path
        val jar = File(folder, "celper.jar")
        val tool = java.util.spi.ToolProvider.findFirst("jar").get()
        check(tool.run(System.out, System.err, "--create", "--file", jar.path, "-C", entry.path, ".") == 0)
        jar.path
    }

    private fun extractedJna(): File {
        val resource = javaClass.getResourceAsStream("/com/sun/jna/linux-x86-64/libjnidispatch.so")!!
        resource.use { File(folder, "libjnidispatch.so").writeBytes(it.readBytes()) }
        return folder
    }

    @Test
    fun `musl is recognized by the files that the process has mapped`() {
        assertTrue(isMusl("7f1-7f2 r-xp 00000000 00:1 1 /lib/ld-musl-x86_64.so.1\n"))
        assertFalse(isMusl("7f1-7f2 r-xp 00000000 00:1 1 /usr/lib/x86_64-linux-gnu/libc.so.6\n"))
    }

    @Test
    fun `a module can require the package, and is told of calls without OpenTelemetry`() {
        val path = classpath.filter { file ->
            File(file, "ai/celper/Celper.class").exists() || listOf("kotlin-stdlib-", "kotlinx-coroutines-core-jvm-", "jna-").any { file.name.startsWith(it) }
        }.joinToString(File.pathSeparator)
        val sources = File(folder, "source").apply { mkdir() }
        val info = File(sources, "module-info.java").apply { writeText("module app { requires ai.celper; }") }
        val program = File(sources, "app/Program.java").apply { parentFile.mkdir() }
        program.writeText(
            """
            package app;
            import ai.celper.*;
            public class Program {
                public static void main(String[] arguments) {
                    try (Celper client = Celper.builder().onEvent(event -> System.out.println(event.getOperation())).build()) {
                        var calls = client.blocking();
                        System.out.println(calls.getCandidateStatus(arguments[0], "pos_1").getStatus());
                        calls.waitForStatus(arguments[0], "pos_1", java.util.Set.of(CandidateStatus.New.INSTANCE));
                        System.out.println(Celper.class.getModule());
                    }
                }
            }
            """.trimIndent(),
        )
        val built = File(folder, "built")
        val compiler = ToolProvider.getSystemJavaCompiler()
        assertEquals(0, compiler.run(null, null, null, "-p", path, "-d", "$built", "$info", "$program"))
        val run = runJava("", "-p", "$path${File.pathSeparator}$built", "-m", "app/app.Program", Sandbox.candidate())
        assertEquals(listOf("status", "new", "status"), run.lines.take(3), "${run.lines}")
        assertTrue(run.lines[3].startsWith("module ai.celper") && run.status == 0, "${run.lines}")
    }
}

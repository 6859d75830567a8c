package ai.celper.sandbox

import java.io.IOException
import java.nio.file.Files
import java.nio.file.Path
import java.util.Locale

/** Finds the program `celper-sandbox`. */
internal object Program {
    private const val VARIABLE = "CELPER_SANDBOX"
    private val windows = System.getProperty("os.name").startsWith("Windows")

    /** The classifier of this platform's artefact. */
    val platform: String = platform(System.getProperty("os.name"), System.getProperty("os.arch"))

    private val extracted: Path by lazy { extract(Program::class.java.classLoader, Path.of(System.getProperty("java.io.tmpdir"))) }

    fun find(named: Path?): Path = named ?: System.getenv(VARIABLE)?.takeIf { it.isNotEmpty() }?.let { Path.of(it) } ?: extracted

    fun platform(system: String, processor: String): String {
        val name = system.lowercase(Locale.ROOT)
        val os = when {
            name.startsWith("mac") || name.startsWith("darwin") -> "osx"
            name.startsWith("windows") -> "windows"
            else -> name
        }
        val cpu = when (processor.lowercase(Locale.ROOT)) {
            "amd64", "x86_64", "x64" -> "x86_64"
            "aarch64", "arm64" -> "aarch64"
            else -> processor
        }
        return "$os-$cpu"
    }

    /** Copies the program from the class path into a folder that only this user can read, until this JVM ends. */
    fun extract(resources: ClassLoader, temporary: Path): Path {
        val file = if (windows) "celper-sandbox.exe" else "celper-sandbox"
        val resource = "ai/celper/sandbox/program/$platform/$file"
        val source = resources.getResource(resource) ?: throw SandboxException(
            "celper-sandbox has no program for this platform on the class path: add the dependency " +
                "ai.celper:celper-sandbox:VERSION:$platform (for Maven, with <classifier>$platform</classifier>), or set $VARIABLE " +
                "to the path of a program",
        )
        try {
            val folder = Files.createTempDirectory(temporary, "celper-sandbox-")
            val program = folder.resolve(file)
            Runtime.getRuntime().addShutdownHook(Thread {
                // Windows keeps a program that runs; it ends with this JVM.
                if (program.toFile().delete()) folder.toFile().delete()
            })
            source.openStream().use { Files.copy(it, program) }
            program.toFile().setExecutable(true)
            return program
        } catch (e: IOException) {
            throw SandboxException(
                "celper-sandbox cannot extract its program to $temporary: $e. " +
                    "Name a folder that can be written with -Djava.io.tmpdir=FOLDER, or set $VARIABLE to the path of a program",
                e,
            )
        }
    }

    /** What to do if a program does not start. */
    fun hint(program: Path): String = when {
        !Files.exists(program) -> "there is no such file: set $VARIABLE to the path of a program"
        !Files.isExecutable(program) ->
            "it is not executable, or its folder is mounted noexec: name another temporary folder with -Djava.io.tmpdir=FOLDER, or set " +
                "$VARIABLE to the path of a program elsewhere"
        else -> "if this is Alpine Linux, set $VARIABLE to a program that is built for musl"
    }
}

package ai.celper

import ai.celper.internal.ffi.findLibraryName
import com.sun.jna.NativeLibrary
import com.sun.jna.Platform
import java.io.File

private val loading: Result<Unit> by lazy {
    runCatching<Unit> { NativeLibrary.getInstance(findLibraryName("celper"), CelperException::class.java.classLoader) }
}

/**
 * Loads the native library before the static initializers of the generated code do. They would throw an error of the JVM, and
 * the second time one that no longer has the cause.
 *
 * @throws InvalidArgumentException if it cannot be loaded
 */
internal fun loadNativeLibrary() {
    val thrown = loading.exceptionOrNull() ?: return
    val advice = if (isMusl(readMaps())) MUSL_ADVICE else FOLDER_ADVICE
    throw CelperException.of(
        "invalid_argument", "the native library for ${platform()} cannot be loaded: ${reason(thrown)}. $advice", "client",
        attempts = 0, cause = thrown,
    )
}

private const val FOLDER_ADVICE =
    "The jar contains it for the supported platforms, and JNA extracts it to a temporary folder. If that folder is read-only or " +
        "mounted noexec, name another one with -Djna.tmpdir=FOLDER, or extract the libraries when you build the image, and set " +
        "-Djna.library.path=FOLDER and -Djna.boot.library.path=FOLDER"

private const val MUSL_ADVICE =
    "This system's C library is musl, as on Alpine Linux, and the jar contains a library for glibc: use an image with glibc, for " +
        "example one based on Debian or Ubuntu"

/** Whether a process with these mapped files runs on musl. */
internal fun isMusl(maps: String): Boolean = "/ld-musl-" in maps || "/libc.musl-" in maps

private fun readMaps(): String = runCatching { File("/proc/self/maps").readText() }.getOrDefault("")

/** JNA's own initialization fails in the same folders, and then nothing of it can be used. */
private fun platform(): String =
    runCatching { Platform.RESOURCE_PREFIX }.getOrElse { System.getProperty("os.name") + " " + System.getProperty("os.arch") }

private fun reason(thrown: Throwable): String =
    generateSequence(thrown) { it.cause }.last().let { it.message?.trim()?.removeSuffix(".") ?: it.javaClass.name }

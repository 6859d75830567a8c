package ai.celper

import ai.celper.internal.ffi.LogEvents
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.atomic.AtomicInteger
import java.util.logging.Level
import java.util.logging.Logger

/**
 * Passes the core's log events to the logger `celper`: that of `System.Logger`, or on Android, which has none, of
 * `java.util.logging`, which writes to the system's log.
 *
 * Handlers are the application's code: they run on one of [CallbackThreads], never on the core's threads.
 */
internal object CallLog {
    private val logger: HostLogger? = runCatching<HostLogger> { SystemLogger() }.recoverCatching { UtilLogger() }.getOrNull()
    private val queue = ConcurrentLinkedQueue<Pair<Int, String>>()
    private val queued = AtomicInteger()

    /** The address of the function that the core calls; 0 without a logger. */
    val callback: ULong get() = if (logger == null) 0u else LogEvents.address

    /** Up to which level the logger takes records now: 0 none, 1 warnings, 2 information, 3 debugging. */
    val level: UByte get() {
        val logger = logger ?: return 0u
        return try {
            if (logger.isLoggable(DEBUG)) 3u else if (logger.isLoggable(INFO)) 2u else if (logger.isLoggable(WARNING)) 1u else 0u
        } catch (_: Throwable) { // What is wrong with the logger is no error of the call.
            0u
        }
    }

    /** Takes a record from one of the core's threads. */
    fun put(level: Int, text: String) {
        // A handler that hangs must not fill the memory.
        if (queued.get() > MOST) return
        queue += level to text
        if (queued.getAndIncrement() == 0) CallbackThreads.execute(::write)
    }

    private fun write() {
        do {
            val (level, text) = queue.poll() ?: return
            runCatching { logger?.log(level, text) }
        } while (queued.decrementAndGet() > 0)
    }

    private const val WARNING = 1
    private const val INFO = 2
    private const val DEBUG = 3
    private const val MOST = 10_000
}

private interface HostLogger {
    fun isLoggable(level: Int): Boolean

    fun log(level: Int, text: String)
}

// By reflection: the AAR is compiled with Android's SDK, which does not have these classes.
private class SystemLogger : HostLogger {
    private val type = Class.forName("java.lang.System\$Logger")
    private val levelType = Class.forName("java.lang.System\$Logger\$Level")
    private val levels = listOf("OFF", "WARNING", "INFO", "DEBUG").map { levelType.getField(it).get(null) }
    private val isLoggable = type.getMethod("isLoggable", levelType)
    private val log = type.getMethod("log", levelType, String::class.java)
    private val logger = System::class.java.getMethod("getLogger", String::class.java).invoke(null, NAME)

    override fun isLoggable(level: Int) = isLoggable.invoke(logger, levels[level]) as Boolean

    // Without a format, in which braces would have a meaning.
    override fun log(level: Int, text: String) {
        log.invoke(logger, levels[level], text)
    }
}

private class UtilLogger : HostLogger {
    private val logger = Logger.getLogger(NAME)
    private val levels = arrayOf(Level.OFF, Level.WARNING, Level.INFO, Level.FINE)

    override fun isLoggable(level: Int) = logger.isLoggable(levels[level])

    override fun log(level: Int, text: String) = logger.log(levels[level], text)
}

private const val NAME = "celper"

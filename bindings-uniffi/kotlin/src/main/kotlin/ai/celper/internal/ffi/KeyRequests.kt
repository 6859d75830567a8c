package ai.celper.internal.ffi

import ai.celper.CallbackThreads
import ai.celper.KeyProvider
import ai.celper.isUnicode
import ai.celper.replaceLoneSurrogates
import com.sun.jna.Callback
import com.sun.jna.Pointer
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicLong

/** The clients' key providers, which the core knows by their numbers; `key.rs` is its other side. */
internal object KeyRequests {
    private interface KeyCallback : Callback {
        /** Runs on any of the core's threads, or on one that closes a client. */
        fun callback(event: Int, provider: Long, request: Long)
    }

    private val providers = ConcurrentHashMap<Long, KeyProvider>()
    private val running = ConcurrentHashMap<Long, Job>()

    /** What providers threw, until the exceptions that have it as their cause are created. */
    private val errors = ConcurrentHashMap<Long, Throwable>()
    private val nextProvider = AtomicLong()
    private val scope = CoroutineScope(SupervisorJob() + CallbackThreads)

    /** The number of providers, of their running requests, and of exceptions that nobody has got yet. */
    val counts: List<Int> get() = listOf(providers.size, running.size, errors.size)

    private object OnEvent : KeyCallback {
        override fun callback(event: Int, provider: Long, request: Long) {
            when (event) {
                REQUESTED -> request(provider, request)
                CANCELLED -> running.remove(request)?.cancel()
                ERROR_DROPPED -> errors.remove(request)
                RELEASED -> providers.remove(provider)
            }
        }
    }

    private val callback: Pointer = FunctionPointers.of(OnEvent)

    /** Registers a provider, for one client: the core releases it. */
    fun source(provider: KeyProvider): KeySource {
        val number = nextProvider.getAndIncrement()
        providers[number] = provider
        return KeySource(Pointer.nativeValue(callback).toULong(), number.toULong())
    }

    /** The exception of a request that failed; the caller gets it once. */
    fun takeError(request: ULong): Throwable? = errors.remove(request.toLong())

    private fun request(provider: Long, request: Long) {
        try {
            val job = scope.launch(start = CoroutineStart.LAZY) { run(request) { checkNotNull(providers[provider]).apiKey() } }
            running[request] = job
            job.start()
        } catch (thrown: Throwable) { // Otherwise the call would wait for a key forever.
            fail(request, thrown)
        }
    }

    private suspend fun run(request: Long, key: suspend () -> String) {
        try {
            val result = KeyResult.Key(checkKey(key()))
            completeKeyRequest(request.toULong(), result)
        } catch (thrown: Throwable) {
            fail(request, thrown)
        } finally {
            running.remove(request)
        }
    }

    private fun fail(request: Long, thrown: Throwable) {
        errors[request] = thrown
        val read = completeKeyRequest(request.toULong(), KeyResult.Failed(message(thrown)))
        // The call was cancelled, or its time is up.
        if (!read) errors.remove(request)
    }

    private fun message(thrown: Throwable): String =
        replaceLoneSurrogates(runCatching { thrown.message }.getOrNull() ?: thrown.javaClass.name)

    /** A provider that is written in Java can return null. */
    private fun checkKey(key: String?): String {
        checkNotNull(key) { "the key provider returned null" }
        check(isUnicode(key)) { "the key provider returned a key that contains a lone surrogate" }
        return key
    }

    private const val REQUESTED = 0
    private const val CANCELLED = 1
    private const val ERROR_DROPPED = 2
    private const val RELEASED = 3
}

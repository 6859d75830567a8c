package ai.celper.internal.ffi

import ai.celper.CallbackThreads
import ai.celper.CelperException
import com.sun.jna.Callback
import com.sun.jna.Native
import com.sun.jna.Pointer
import kotlinx.coroutines.CancellableContinuation
import kotlinx.coroutines.suspendCancellableCoroutine
import java.nio.ByteBuffer
import java.util.concurrent.CancellationException
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicLong
import java.util.concurrent.atomic.AtomicReference
import java.util.concurrent.locks.LockSupport
import kotlin.coroutines.ContinuationInterceptor
import kotlin.coroutines.resume

/**
 * A fast call path that passes only integers and byte buffers across the FFI boundary; `direct.rs` is its other side.
 *
 * It is in this package because the keep rules preserve the package's names, which JNA looks up.
 */
internal object DirectCalls {
    private interface OutcomeCallback : Callback {
        /** Runs on one of the core's threads, or on the calling thread if the call cannot be started. */
        fun callback(callId: Long, outcome: Long, length: Int)
    }

    // Not a lambda: GraalVM has to know the class by its name.
    private object OnOutcome : OutcomeCallback {
        override fun callback(callId: Long, outcome: Long, length: Int) {
            val call = pending.remove(callId)
            try {
                val bytes = Pointer(outcome).getByteArray(0, length)
                if (call == null) release(bytes) else call.complete(bytes)
            } catch (thrown: Throwable) { // JNA would only print it, and the caller would wait forever.
                call?.fail(thrown)
            }
        }
    }

    private val pending = ConcurrentHashMap<Long, PendingCall>()

    /** The number of running calls. */
    val pendingCount: Int get() = pending.size

    private val nextCallId = AtomicLong()
    private val callback = FunctionPointers.of(OnOutcome)

    init {
        Native.register(DirectCalls::class.java, findLibraryName("celper"))
    }

    @Suppress("FunctionName")
    private external fun celper_call(clientId: Long, input: ByteArray, length: Int, callId: Long, callback: Pointer)

    @Suppress("FunctionName")
    private external fun celper_cancel(callId: Long, callback: Pointer)

    /** Runs a call. Cancelling the coroutine drops the request on the wire. */
    suspend fun call(client: NativeClient, clientId: Long, input: CallInput): Outcome {
        val call = SuspendedCall(client)
        val callId = nextCallId.getAndIncrement()
        try {
            suspendCancellableCoroutine<Unit> { continuation ->
                call.continuation = continuation
                start(call, callId, clientId, input)
                continuation.invokeOnCancellation { cancel(callId) }
            }
        } catch (thrown: Throwable) {
            pending.remove(callId)
            call.abandon()
            throw thrown
        }
        return call.outcome(input)
    }

    /** Runs a call on the calling thread, which waits; the thread may be virtual. Interrupting it drops the request on the wire. */
    fun callBlocking(client: NativeClient, clientId: Long, input: CallInput): Outcome {
        val call = BlockedCall(client)
        val callId = nextCallId.getAndIncrement()
        var interrupted = Thread.interrupted()
        try {
            if (interrupted) throw CancellationException("the thread is interrupted")
            start(call, callId, clientId, input)
            // Measured: a coroutine in runBlocking takes a tenth more CPU time, and running the call itself on this thread no less.
            while (!call.ended) {
                LockSupport.park(call)
                // If the call has just ended, its outcome follows, and the caller learns what the call did.
                if (Thread.interrupted() && !interrupted) {
                    interrupted = true
                    if (cancel(callId)) throw CancellationException("the thread was interrupted during the call")
                }
            }
        } catch (thrown: Throwable) {
            pending.remove(callId)
            call.abandon()
            throw thrown
        } finally {
            if (interrupted) Thread.currentThread().interrupt()
        }
        return call.outcome(input)
    }

    private fun start(call: PendingCall, callId: Long, clientId: Long, input: CallInput) {
        val buffer = ByteBuffer.allocate(FfiConverterTypeCallInput.allocationSize(input).toInt())
        FfiConverterTypeCallInput.write(input, buffer)
        pending[callId] = call
        celper_call(clientId, buffer.array(), buffer.position(), callId, callback)
    }

    /** Cancels a call; false if it has ended. */
    private fun cancel(callId: Long): Boolean {
        val running = pending.remove(callId) != null
        if (running) celper_cancel(callId, callback)
        return running
    }

    private fun read(outcome: ByteArray): Outcome = FfiConverterTypeOutcome.read(ByteBuffer.wrap(outcome))

    /** Frees an outcome that nobody gets: a key provider's exception may be kept for it. */
    private fun release(outcome: ByteArray) {
        (read(outcome) as? Outcome.Failed)?.failure?.cause?.let(KeyRequests::takeError)
    }

    /** Keeps [client] from being garbage collected until its call ends. */
    private abstract class PendingCall(val client: NativeClient) {
        /** Null, an outcome's bytes, what was thrown instead, or this call itself if nobody waits for the outcome. */
        private val result = AtomicReference<Any?>()

        val ended: Boolean get() = result.get() != null

        /** Makes the caller continue. */
        protected abstract fun wake()

        fun complete(outcome: ByteArray) {
            if (result.compareAndSet(null, outcome)) wake() else release(outcome)
        }

        fun fail(thrown: Throwable) {
            if (result.get() === this) return
            result.set(thrown)
            wake()
        }

        fun abandon() {
            (result.getAndSet(this) as? ByteArray)?.let(::release)
        }

        fun outcome(input: CallInput): Outcome = when (val result = result.get()) {
            is ByteArray -> read(result)
            else -> throw CelperException.internal(input.operation, input.idempotencyKey, result as? Throwable)
        }
    }

    private class SuspendedCall(client: NativeClient) : PendingCall(client) {
        lateinit var continuation: CancellableContinuation<Unit>

        // Runs on the network thread: the caller's code must not, because it may block.
        override fun wake() {
            if (CallbackThreads.dispatchesToOwnThread(continuation.context[ContinuationInterceptor])) {
                continuation.resume(Unit)
            } else {
                CallbackThreads.execute { continuation.resume(Unit) }
            }
        }
    }

    private class BlockedCall(client: NativeClient) : PendingCall(client) {
        private val thread = Thread.currentThread()

        override fun wake() = LockSupport.unpark(thread)
    }
}

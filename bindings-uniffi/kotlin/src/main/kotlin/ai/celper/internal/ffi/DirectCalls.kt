package ai.celper.internal.ffi

import com.sun.jna.Callback
import com.sun.jna.CallbackReference
import com.sun.jna.CallbackThreadInitializer
import com.sun.jna.Native
import com.sun.jna.Pointer
import kotlinx.coroutines.CancellableContinuation
import kotlinx.coroutines.suspendCancellableCoroutine
import java.nio.ByteBuffer
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicLong

/**
 * A fast call path that passes only integers and byte buffers across the FFI boundary; `direct.rs` is its other side.
 *
 * It is in this package because the keep rules preserve the package's names, which JNA looks up.
 */
internal object DirectCalls {
    private fun interface OutcomeCallback : Callback {
        /** Runs on one of the core's threads, or on the calling thread if the call cannot be started. */
        fun callback(callId: Long, outcome: Pointer, length: Int)
    }

    /** Keeps [client] from being garbage collected until its call ends. */
    private class PendingCall(val client: NativeClient, val continuation: CancellableContinuation<ByteArray>)

    private val pending = ConcurrentHashMap<Long, PendingCall>()

    /** The number of running calls. */
    val pendingCount: Int get() = pending.size

    private val nextCallId = AtomicLong()
    private val onOutcome = OutcomeCallback { callId, outcome, length ->
        val bytes = outcome.getByteArray(0, length)
        pending.remove(callId)?.continuation?.resume(bytes) { _, dropped, _ -> release(dropped) } ?: release(bytes)
    }
    private val callback: Pointer

    init {
        // By default JNA attaches the core's thread to the JVM and detaches it again for every callback. Keep it attached, as a
        // daemon thread, so that it does not keep the program running. JNA detaches it when the thread ends.
        Native.setCallbackThreadInitializer(onOutcome, CallbackThreadInitializer(true, false, "celper"))
        callback = CallbackReference.getFunctionPointer(onOutcome)
        Native.register(DirectCalls::class.java, findLibraryName("celper"))
    }

    @Suppress("FunctionName")
    private external fun celper_call(clientId: Long, input: ByteArray, length: Int, callId: Long, callback: Pointer)

    @Suppress("FunctionName")
    private external fun celper_cancel(callId: Long, callback: Pointer)

    /** Runs a call. Cancelling the coroutine drops the request on the wire. */
    suspend fun call(client: NativeClient, clientId: Long, input: CallInput): Outcome {
        val buffer = ByteBuffer.allocate(FfiConverterTypeCallInput.allocationSize(input).toInt())
        FfiConverterTypeCallInput.write(input, buffer)
        val outcome = suspendCancellableCoroutine { continuation ->
            val callId = nextCallId.getAndIncrement()
            pending[callId] = PendingCall(client, continuation)
            celper_call(clientId, buffer.array(), buffer.position(), callId, callback)
            continuation.invokeOnCancellation {
                if (pending.remove(callId) != null) celper_cancel(callId, callback)
            }
        }
        return read(outcome)
    }

    private fun read(outcome: ByteArray): Outcome = FfiConverterTypeOutcome.read(ByteBuffer.wrap(outcome))

    /** Frees an outcome that is not delivered: it may hold a handle to a key provider's exception, and reading it frees the handle. */
    private fun release(outcome: ByteArray) {
        read(outcome)
    }
}

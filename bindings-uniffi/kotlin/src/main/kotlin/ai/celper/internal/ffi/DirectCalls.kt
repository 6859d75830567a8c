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
 * Calls with nothing but numbers and bytes at the border to the core, which is what makes them fast.
 *
 * In this package because shrinkers keep its names, by which JNA finds what is here.
 */
internal object DirectCalls {
    private fun interface Answered : Callback {
        /** In one of the core's threads, or in the one that began the call when it is refused. */
        fun callback(number: Long, outcome: Pointer, length: Int)
    }

    /** [client] lives as long as its call is waited for. */
    private class Waiting(val client: NativeClient, val continuation: CancellableContinuation<ByteArray>)

    private val waiting = ConcurrentHashMap<Long, Waiting>()

    /** How many calls are waited for. */
    val underWay: Int get() = waiting.size

    private val numbers = AtomicLong()
    private val answered = Answered { number, outcome, length ->
        val bytes = outcome.getByteArray(0, length)
        waiting.remove(number)?.continuation?.resume(bytes) { _, unheard, _ -> release(unheard) } ?: release(bytes)
    }
    private val answer: Pointer

    init {
        // JNA would attach the core's thread to the virtual machine and detach it again for every answer. Attached as a
        // daemon it keeps no program from ending, and JNA detaches it when it ends.
        Native.setCallbackThreadInitializer(answered, CallbackThreadInitializer(true, false, "celper"))
        answer = CallbackReference.getFunctionPointer(answered)
        Native.register(DirectCalls::class.java, findLibraryName("celper"))
    }

    @Suppress("FunctionName")
    private external fun celper_call(client: Long, input: ByteArray, length: Int, number: Long, answer: Pointer)

    @Suppress("FunctionName")
    private external fun celper_cancel(number: Long, answer: Pointer)

    /** Carries a call out; cancelling the coroutine drops the request on the wire. */
    suspend fun call(client: NativeClient, id: Long, input: CallInput): Outcome {
        val buffer = ByteBuffer.allocate(FfiConverterTypeCallInput.allocationSize(input).toInt())
        FfiConverterTypeCallInput.write(input, buffer)
        val outcome = suspendCancellableCoroutine { continuation ->
            val number = numbers.getAndIncrement()
            waiting[number] = Waiting(client, continuation)
            celper_call(id, buffer.array(), buffer.position(), number, answer)
            continuation.invokeOnCancellation {
                if (waiting.remove(number) != null) celper_cancel(number, answer)
            }
        }
        return read(outcome)
    }

    private fun read(outcome: ByteArray): Outcome = FfiConverterTypeOutcome.read(ByteBuffer.wrap(outcome))

    /** An outcome may hold what its key provider threw, which is kept until somebody reads it. */
    private fun release(outcome: ByteArray) {
        read(outcome)
    }
}

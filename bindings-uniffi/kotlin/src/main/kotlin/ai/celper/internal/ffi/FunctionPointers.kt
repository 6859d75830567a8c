package ai.celper.internal.ffi

import com.sun.jna.Callback
import com.sun.jna.CallbackThreadInitializer
import com.sun.jna.Native
import com.sun.jna.Pointer

/** The addresses of functions that the core's threads call. */
internal object FunctionPointers {
    init {
        Native.register(FunctionPointers::class.java, findLibraryName("celper"))
    }

    /**
     * Returns its argument. JNA calls a callback that is an argument of a native method without reflection and boxes, which
     * [com.sun.jna.CallbackReference.getFunctionPointer] does not offer.
     */
    @Suppress("FunctionName")
    private external fun celper_function_pointer(callback: Callback): Pointer

    /** The address of a function, valid for as long as something refers to [callback]. What it throws is only printed. */
    fun of(callback: Callback): Pointer {
        // By default JNA attaches the core's thread to the JVM and detaches it again for every call. Keep it attached, as a
        // daemon thread, so that it does not keep the program running. JNA detaches it when the thread ends.
        Native.setCallbackThreadInitializer(callback, CallbackThreadInitializer(true, false, "celper"))
        return celper_function_pointer(callback)
    }
}

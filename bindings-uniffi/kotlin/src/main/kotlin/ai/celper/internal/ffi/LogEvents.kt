package ai.celper.internal.ffi

import ai.celper.CallLog
import com.sun.jna.Callback
import com.sun.jna.Pointer

/** The function that the core calls with log events; `logs.rs` is its other side. */
internal object LogEvents {
    private interface LogCallback : Callback {
        /** Runs on any of the core's threads. */
        fun callback(level: Int, text: Pointer, length: Int)
    }

    private object OnLog : LogCallback {
        override fun callback(level: Int, text: Pointer, length: Int) {
            runCatching { CallLog.put(level, text.getByteArray(0, length).decodeToString()) }
        }
    }

    /** Its address. */
    val address: ULong = Pointer.nativeValue(FunctionPointers.of(OnLog)).toULong()
}

package ai.celper.sandbox

import java.time.Duration

/**
 * Something that goes wrong with a candidate's next request: `Fault.status(503).times(2).act(Act.BEFORE)`.
 *
 * It applies once, to any operation.
 */
public class Fault private constructor(internal val fields: Map<String, Any?>) {
    /** Only for requests of this operation. */
    public fun operation(operation: Operation): Fault = with("operation", operation.word)

    /** For this many requests. */
    public fun times(times: Int): Fault = with("times", times)

    /** For all further requests. */
    public fun always(): Fault = with("times", null)

    /** Whether the action takes effect. Without it, it does not for [status], [close] and [redirect], and does for the others. */
    public fun act(act: Act): Fault = with("act", act.word)

    /** With other headers in the response of [status]; null removes one. A value is text, a number, or a list of them. */
    public fun headers(headers: Map<String, Any?>): Fault = with("headers", headers)

    /** With this body in the response of [status] or [notJson]. */
    public fun body(body: String): Fault = with("body", body)

    /** With this body in the response of [status], as JSON. */
    public fun json(json: Any): Fault = with("json", json)

    override fun toString(): String = "Fault$fields"

    private fun with(name: String, value: Any?): Fault = Fault(fields + (name to value))

    public companion object {
        private fun of(kind: String, vararg fields: Pair<String, Any?>): Fault =
            Fault(mapOf("kind" to kind) + fields.filter { it.second != null })

        /** This response instead of the ordinary one. */
        @JvmStatic
        public fun status(status: Int): Fault = of("status", "status" to status)

        /** The ordinary response, later. */
        @JvmStatic
        public fun delay(by: Duration): Fault = of("delay", "seconds" to by.inSeconds)

        /** The connection closes without a byte; with [reset] it is reset. */
        @JvmStatic
        @JvmOverloads
        public fun close(reset: Boolean = false): Fault = of("close", "reset" to reset)

        /** A part of the response: by default half of its body. */
        @JvmStatic
        @JvmOverloads
        public fun cut(afterBytes: Int? = null): Fault = of("cut", "afterBytes" to afterBytes)

        /** The response, byte by byte. */
        @JvmStatic
        public fun drip(bytesPerSecond: Double): Fault = of("drip", "bytesPerSecond" to bytesPerSecond)

        /** A response that does not end. */
        @JvmStatic
        @JvmOverloads
        public fun endless(status: Int? = null): Fault = of("endless", "status" to status)

        /** An HTML page. */
        @JvmStatic
        @JvmOverloads
        public fun notJson(status: Int? = null): Fault = of("not_json", "status" to status)

        /** The ordinary response, padded to this length. */
        @JvmStatic
        public fun huge(bytes: Long): Fault = of("huge", "bytes" to bytes)

        /** A redirect. */
        @JvmStatic
        @JvmOverloads
        public fun redirect(location: String, status: Int? = null): Fault = of("redirect", "location" to location, "status" to status)

        /** A 200 with this in place of its data. */
        @JvmStatic
        public fun answer(data: Any?): Fault = of("answer").with("data", data)

        /** A 200 with this in place of its whole body. */
        @JvmStatic
        public fun envelope(envelope: Any?): Fault = of("answer").with("envelope", envelope)

        /** The ordinary response, then a close without `Connection: close`. */
        @JvmStatic
        public fun closeIdle(): Fault = of("close_idle")
    }
}

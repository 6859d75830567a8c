package ai.celper

import ai.celper.internal.ffi.Failure

/** A string may hold half of a surrogate pair, which UTF-8, and so no request, can carry. */
internal fun isUnicode(text: String): Boolean = Charsets.UTF_8.newEncoder().canEncode(text)

/** The text, with question marks where it was not Unicode. */
internal fun asUnicode(text: String): String = text.encodeToByteArray().decodeToString()

/** Refuses what cannot cross the border; whatever can is for the core to judge. No message repeats the text. */
internal fun checkUnicode(operation: String, vararg texts: Pair<String, String?>) {
    for ((name, text) in texts) {
        if (text == null || isUnicode(text)) continue
        val message = "$name has half of a surrogate pair, which is no Unicode text"
        throw CelperException.of(
            Failure(
                kind = "invalid_argument", message = message, text = "$operation: $message.", operation = operation,
                status = null, code = null, requestId = null, retryAfter = null, attempts = 0u, idempotencyKey = null,
                outcomeUnknown = false, cause = null,
            ),
        )
    }
}

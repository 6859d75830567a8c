package ai.celper

import ai.celper.internal.ffi.Failure

/** Whether the text has no lone surrogate. UTF-8 cannot encode one, so no request can contain it. */
internal fun isUnicode(text: String): Boolean = Charsets.UTF_8.newEncoder().canEncode(text)

/** Replaces lone surrogates by question marks. */
internal fun replaceLoneSurrogates(text: String): String = text.encodeToByteArray().decodeToString()

/**
 * Rejects texts that cannot be passed to the core; the core checks everything else. The message does not contain the text,
 * which may be a key.
 */
internal fun checkUnicode(operation: String, vararg texts: Pair<String, String?>) {
    for ((name, text) in texts) {
        if (text == null || isUnicode(text)) continue
        val message = "$name contains a lone surrogate"
        throw CelperException.of(
            Failure(
                kind = "invalid_argument", message = message, text = "$operation: $message.", operation = operation,
                status = null, code = null, requestId = null, retryAfter = null, attempts = 0u, rateLimit = null,
                idempotencyKey = null, outcomeUnknown = false, cause = null, record = null, lastState = null,
            ),
        )
    }
}

package ai.celper

import ai.celper.internal.ffi.HostError
import ai.celper.internal.ffi.KeySource
import ai.celper.internal.ffi.KeySourceException
import kotlinx.coroutines.future.await
import java.util.concurrent.CompletionStage
import java.util.function.Supplier

/**
 * Returns the credential for the next attempt.
 *
 * ```kotlin
 * val client = Celper(baseUrl = "https://gateway.example/celper", keyProvider = { session.freshToken() })
 * ```
 *
 * An app must not contain a `celp_` key, because anybody can extract it. Instead, the app fetches a short-lived credential from
 * your backend and calls your gateway with it.
 *
 * The provider is called before every attempt, on `Dispatchers.Default` and within the call's timeout. Cache the credential while
 * it is valid. If the provider throws, nothing is sent and the call throws an [AuthenticationException] with that exception as its
 * [cause][Throwable.cause].
 */
public fun interface KeyProvider {
    /** Returns the credential, which is sent in the header `X-API-Key`. */
    public suspend fun apiKey(): String

    public companion object {
        /** Creates a provider in Java: `KeyProvider.ofFuture(() -> session.freshToken())`. */
        @JvmStatic
        public fun ofFuture(supplier: Supplier<out CompletionStage<String>>): KeyProvider = KeyProvider {
            val future = supplier.get() as CompletionStage<String>?
            checkNotNull(future) { "the key provider returned null instead of a future" }.await()
        }
    }
}

/** Passes the exception of a key provider through the core, which returns it as the error's cause. */
internal class WrappedThrowable(val throwable: Throwable) : HostError {
    // The core calls this, so it must not throw.
    override fun message(): String =
        replaceLoneSurrogates(runCatching { throwable.message }.getOrNull() ?: throwable.javaClass.name)
}

internal class KeyProviderAdapter(private val provider: KeyProvider) : KeySource {
    override suspend fun apiKey(): String =
        try {
            checkKey(provider.apiKey())
        } catch (thrown: Throwable) { // Everything: the call would wait forever for an exception that is not converted.
            throw KeySourceException.Failed(WrappedThrowable(thrown))
        }
}

/** A provider that is written in Java can return null. */
private fun checkKey(key: String?): String {
    checkNotNull(key) { "the key provider returned null" }
    check(isUnicode(key)) { "the key provider returned a key that contains a lone surrogate" }
    return key
}

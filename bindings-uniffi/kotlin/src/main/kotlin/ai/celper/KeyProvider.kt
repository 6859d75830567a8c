package ai.celper

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
 * The provider is called before every attempt, on a thread of the SDK, which it may block, and within the call's timeout. Cache
 * the credential while it is valid. If the provider throws, nothing is sent and the call throws an [AuthenticationException] with that exception as its
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

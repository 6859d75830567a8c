package ai.celper

import ai.celper.internal.ffi.HostError
import ai.celper.internal.ffi.KeySource
import ai.celper.internal.ffi.KeySourceException
import kotlinx.coroutines.future.await
import java.util.concurrent.CompletionStage
import java.util.function.Supplier

/**
 * Fetches the credential for the attempt that is about to be made.
 *
 * ```kotlin
 * val client = Celper(baseUrl = "https://gateway.example/celper", keyProvider = { session.freshToken() })
 * ```
 *
 * An app must not carry a `celp_` key: whoever has the app has the key. It asks its own backend for a short-lived credential,
 * and calls the company's gateway with it. The provider is asked before every attempt, within the call's timeout, on
 * `Dispatchers.Default`; cache what is still good. What it throws becomes the [Throwable.cause] of an [AuthenticationException], and
 * nothing is sent.
 */
public fun interface KeyProvider {
    /** The credential. */
    public suspend fun apiKey(): String

    public companion object {
        /** A provider for Java: `KeyProvider.ofFuture(() -> session.freshToken())`. */
        @JvmStatic
        public fun ofFuture(supplier: Supplier<out CompletionStage<String>>): KeyProvider =
            KeyProvider { checkNotNull(supplier.get() as CompletionStage<String>?) { "the key provider gave no future" }.await() }
    }
}

/** What a provider threw, on its way through the core and back. */
internal class ThrownByProvider(val thrown: Throwable) : HostError {
    // It runs inside the core, where nothing may be thrown.
    override fun text(): String = asUnicode(runCatching { thrown.message }.getOrNull() ?: thrown.javaClass.name)
}

internal class ProviderAsSource(private val provider: KeyProvider) : KeySource {
    override suspend fun apiKey(): String =
        try {
            crossable(provider.apiKey())
        } catch (thrown: Throwable) { // All of them: what escaped would leave the call waiting.
            throw KeySourceException.Failed(ThrownByProvider(thrown))
        }
}

/** Java may give null where Kotlin does not expect it. */
private fun crossable(key: String?): String {
    checkNotNull(key) { "the key provider gave null" }
    check(isUnicode(key)) { "the key provider gave a text with half of a surrogate pair" }
    return key
}

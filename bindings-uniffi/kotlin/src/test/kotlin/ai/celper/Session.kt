package ai.celper

import java.util.concurrent.CompletableFuture

/** The app's own class that the documentation's examples use. */
interface Session {
    suspend fun freshToken(): String

    fun freshTokenLater(): CompletableFuture<String>
}

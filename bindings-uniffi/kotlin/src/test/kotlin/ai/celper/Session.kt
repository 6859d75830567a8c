package ai.celper

import java.util.concurrent.CompletableFuture

/** What an app has of its own, for the pages' examples. */
interface Session {
    suspend fun freshToken(): String

    fun freshTokenLater(): CompletableFuture<String>
}

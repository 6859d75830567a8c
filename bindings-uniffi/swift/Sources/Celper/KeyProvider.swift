/// Returns the credential for the next attempt.
///
/// ```swift
/// let client = try Celper(keyProvider: { try await session.freshToken() }, baseURL: "https://gateway.example/celper")
/// ```
///
/// An app must not contain a `celp_` key, because anybody can extract it. Instead, the app fetches a short-lived credential
/// from your backend and calls your gateway with it.
///
/// The provider is called before every attempt, within the call's timeout. Cache the credential while it is valid. If the
/// provider throws, nothing is sent and the call throws an error of the kind ``CelperError/Kind/authentication`` with the
/// provider's error as its ``CelperError/underlyingError``. When the call is cancelled, so is the provider's task.
public typealias KeyProvider = @Sendable () async throws -> String

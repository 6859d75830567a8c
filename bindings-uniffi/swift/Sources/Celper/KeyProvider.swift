internal import CelperGenerated

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

/// Passes the error of a key provider through the core, which returns it as the error's cause.
final class WrappedError: HostError {
    let error: any Error

    init(_ error: any Error) { self.error = error }

    func message() -> String { error is CancellationError ? "cancelled" : error.localizedDescription }
}

final class KeyProviderAdapter: KeySource {
    private let provider: KeyProvider

    init(_ provider: @escaping KeyProvider) { self.provider = provider }

    func apiKey() async throws -> String {
        do {
            return try await provider()
        } catch {
            throw KeySourceError.Failed(error: WrappedError(error))
        }
    }
}

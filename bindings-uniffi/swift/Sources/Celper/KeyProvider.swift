internal import CelperGenerated

/// Fetches the credential for the attempt that is about to be made.
///
/// ```swift
/// let client = try Celper(keyProvider: { try await session.freshToken() }, baseURL: "https://gateway.example/celper")
/// ```
///
/// An app must not carry a `celp_` key: whoever has the app has the key. It asks its own backend for a short-lived
/// credential, and calls the company's gateway with it. The provider is asked before every attempt, within the call's
/// timeout; cache what is still good. What it throws becomes the ``CelperError/underlyingError`` of an error of the kind
/// ``CelperError/Kind/authentication``, and nothing is sent. When the call is cancelled, so is the provider's task.
public typealias KeyProvider = @Sendable () async throws -> String

/// What a provider threw, on its way through the core and back.
final class ThrownByProvider: HostError {
    let thrown: any Error

    init(_ thrown: any Error) { self.thrown = thrown }

    func text() -> String { thrown is CancellationError ? "cancelled" : thrown.localizedDescription }
}

final class ProviderAsSource: KeySource {
    private let provider: KeyProvider

    init(_ provider: @escaping KeyProvider) { self.provider = provider }

    func apiKey() async throws -> String {
        do {
            return try await provider()
        } catch {
            throw KeySourceError.Failed(error: ThrownByProvider(error))
        }
    }
}

internal import CelperGenerated
import Foundation

/// The clients' key providers, which the core knows by their numbers; `key.rs` is its other side.
final class KeyRequests: @unchecked Sendable {
    static let shared = KeyRequests()

    private let lock = NSLock()
    private var providers: [UInt64: KeyProvider] = [:]
    private var running: [UInt64: Task<Void, Never>] = [:]
    /// What providers threw, until the errors that have it as their underlying error are created.
    private var errors: [UInt64: any Error] = [:]
    private var nextProvider: UInt64 = 0

    /// The number of running requests, and of errors that nobody has got yet.
    var counts: [Int] { lock.withLock { [running.count, errors.count] } }

    /// Registers a provider, for one client: the core releases it.
    func source(_ provider: @escaping KeyProvider) -> KeySource {
        let number = lock.withLock {
            nextProvider += 1
            providers[nextProvider] = provider
            return nextProvider
        }
        let address = unsafeBitCast(onKeyEvent, to: UnsafeRawPointer.self)
        return KeySource(callback: UInt64(UInt(bitPattern: address)), provider: number)
    }

    /// The error of a request that failed; the caller gets it once.
    func takeError(_ request: UInt64) -> (any Error)? {
        lock.withLock { errors.removeValue(forKey: request) }
    }

    fileprivate func handle(_ event: Int32, _ provider: UInt64, _ request: UInt64) {
        switch event {
        case 0: start(provider, request)
        case 1: lock.withLock { running.removeValue(forKey: request) }?.cancel()
        case 2: _ = takeError(request)
        default: _ = lock.withLock { providers.removeValue(forKey: provider) }
        }
    }

    private func start(_ number: UInt64, _ request: UInt64) {
        lock.withLock {
            guard let provider = providers[number] else { return }
            // The task waits for the lock until it is in `running`.
            running[request] = Task.detached { await self.run(request, provider) }
        }
    }

    private func run(_ request: UInt64, _ provider: KeyProvider) async {
        do {
            let key = try await provider()
            _ = completeKeyRequest(request: request, result: .key(key: key))
        } catch {
            lock.withLock { errors[request] = error }
            let message = error is CancellationError ? "cancelled" : error.localizedDescription
            // Otherwise the call was cancelled, or its time is up.
            if !completeKeyRequest(request: request, result: .failed(message: message)) { _ = takeError(request) }
        }
        _ = lock.withLock { running.removeValue(forKey: request) }
    }
}

/// The core calls it on any of its threads, or on one that releases a client.
private let onKeyEvent: @Sendable @convention(c) (Int32, UInt64, UInt64) -> Void = {
    KeyRequests.shared.handle($0, $1, $2)
}

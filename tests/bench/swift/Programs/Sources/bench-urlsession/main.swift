import Bench
import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

try await work { baseURL, _ in TypedClient(baseURL: baseURL) }

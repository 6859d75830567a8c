import Bench
import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

try await work { baseURL, _ in ByHand(baseURL: baseURL) }

import Testing

@testable import Celper

/// Expects a call to throw a `CelperError`, and returns it.
func expectError(
    sourceLocation: SourceLocation = #_sourceLocation, _ call: () async throws -> Any
) async -> CelperError? {
    do {
        let result = try await call()
        Issue.record("no error, but \(result)", sourceLocation: sourceLocation)
    } catch let error as CelperError {
        return error
    } catch {
        Issue.record("another error: \(error)", sourceLocation: sourceLocation)
    }
    return nil
}

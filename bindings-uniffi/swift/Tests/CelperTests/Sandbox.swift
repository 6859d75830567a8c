import Foundation
import Testing

@testable import Celper
@testable import CelperSandbox

typealias Fault = CelperSandbox.Sandbox.Fault

/// The sandbox that all tests share; each test uses its own candidates.
final class Sandbox: Sendable {
    static let shared = Sandbox()

    let server: CelperSandbox.Sandbox

    /// The one in the environment, or that of `make sandbox`.
    static var program: URL {
        if let path = ProcessInfo.processInfo.environment["CELPER_SANDBOX"] { return URL(fileURLWithPath: path) }
        let repository = (1...5).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
        return repository.appendingPathComponent("target/release/celper-sandbox")
    }

    private init() {
        do {
            server = try .launch(program: Self.program)
        } catch {
            fatalError("no sandbox (run `make sandbox`, or set CELPER_SANDBOX): \(error)")
        }
    }

    var baseURL: String { server.baseURL }
    var apiKey: String { server.apiKey }

    func client() throws -> Celper { try Celper(apiKey: apiKey, baseURL: baseURL, rateLimits: nil) }

    /// Creates a candidate for the job position `pos_1` and returns its id.
    func candidate(_ status: String = "new", analysisViewed: Bool = false) async throws -> String {
        let id = "swift_\(UUID().uuidString)"
        return try await server.createCandidate(id, status: status, analysisViewed: analysisViewed, interviewScore: 85)
            .id
    }

    func fault(_ candidate: String, _ fault: Fault) async throws { try await server.queueFault(candidate, fault) }

    /// Creates a candidate whose responses are delayed, by default for longer than any test runs.
    func slowCandidate(_ seconds: Int = 600) async throws -> String {
        let candidate = try await candidate()
        try await fault(candidate, .delay(.seconds(seconds)).act(.after).always())
        return candidate
    }

    /// The requests that the sandbox has received: all, or those for a candidate.
    func requests(_ candidate: String? = nil) async throws -> [CelperSandbox.Sandbox.Request] {
        try await server.requests(candidate)
    }

    func waitForRequest(_ candidate: String) async throws {
        try await eventually("\(candidate)'s request arrives") { try await !self.requests(candidate).isEmpty }
    }

    /// Expects one request, that the client closed its connection, and that no retry followed.
    ///
    /// A retry follows within 0.5 s (the first backoff). The two retries of the call that this makes take at least 0.75 s,
    /// so by their end a retry for `candidate` would have arrived.
    func expectCancelled(_ candidate: String) async throws {
        try await eventually("the client of \(candidate) closes its connection") {
            try await self.requests(candidate).contains { $0.clientClosed }
        }
        let other = try await self.candidate()
        try await fault(other, .status(503).times(2))
        _ = try await client().getCandidateStatus(other, jobPositionId: "pos_1")
        #expect(try await requests(candidate).count == 1)
    }

    /// Waits until a condition holds: the sandbox sees some events a moment later than its client.
    func eventually(_ description: String, _ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try await !condition() {
            if ContinuousClock.now > deadline {
                Issue.record("not within a minute: \(description)")
                return
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

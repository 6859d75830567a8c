import CelperGenerated
import CelperSandbox
import Foundation
import Testing

@testable import enum Celper.CandidateStatus
@testable import class Celper.Celper
@testable import struct Celper.CelperError
@testable import class Celper.KeyRequests
@testable import struct Celper.RateLimits

@Suite(.timeLimit(.minutes(5))) struct LifecycleTests {
    let sandbox = Sandbox.shared
    let client: Celper

    init() throws { client = try Sandbox.shared.client() }

    @Test func theErrorKindsAreTheCores() {
        #expect(Set(errorKinds().map(\.name)) == Set(CelperError.Kind.allCases.map(\.rawValue)))
        #expect(errorKinds().count == CelperError.Kind.allCases.count)
    }

    @Test func theOptionsCanBeRead() throws {
        let limits = RateLimits(reads: 4, actions: 3, total: 5, window: .seconds(30))
        let client = try Celper(
            apiKey: sandbox.apiKey, timeout: .milliseconds(5500), maxRetries: 1, rateLimits: limits,
            rateLimitStore: "process", rateLimitName: "acme")
        #expect(client.timeout == .milliseconds(5500) && client.attemptTimeout == .seconds(30))
        #expect(client.maxRetries == 1 && client.rateLimits == limits)
        #expect(client.rateLimitStore == "process" && client.rateLimitName == "acme")
        let unlimited = try Celper(apiKey: sandbox.apiKey, timeout: .seconds(Int64.max), rateLimits: nil)
        #expect(unlimited.timeout == nil && unlimited.rateLimits == nil)
    }

    @Test func cancellingTheTaskReturnsAtOnceAndDropsTheRequest() async throws {
        let candidate = try await sandbox.slowCandidate()
        let client = client
        let task = Task { try await client.inviteCandidate(candidate, jobPositionId: "pos_1") }
        try await sandbox.waitForRequest(candidate)
        task.cancel()
        // Without waiting for the response (10 minutes) or the call's timeout (2 minutes).
        await #expect(throws: CancellationError.self) { try await task.value }
        try await sandbox.expectCancelled(candidate)
    }

    @Test func aFailingTaskGroupCancelsItsCalls() async throws {
        let candidate = try await sandbox.slowCandidate()
        let (client, sandbox) = (client, sandbox)
        struct StopError: Error {}
        await #expect(throws: StopError.self) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await client.inviteCandidate(candidate, jobPositionId: "pos_1") }
                group.addTask {
                    try await sandbox.waitForRequest(candidate)
                    throw StopError()
                }
                // Not waitForAll, which would also wait for the call.
                try await group.next()
            }
        }
        try await sandbox.expectCancelled(candidate)
    }

    @Test func aTaskThatIsAlreadyCancelledSendsNothing() async throws {
        let candidate = try await sandbox.candidate()
        let client = client
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await client.inviteCandidate(candidate, jobPositionId: "pos_1")
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        // If the call above had sent a request, it would have arrived before this one.
        _ = try await client.getCandidateStatus(try await sandbox.candidate(), jobPositionId: "pos_1")
        #expect(try await sandbox.requests(candidate).isEmpty)
    }

    @Test func callsCancelledAtAnyMomentLeaveTheClientUsable() async throws {
        let candidate = try await sandbox.candidate()
        let client = client
        await withTaskGroup(of: Void.self) { group in
            for turn in 0..<200 {
                let call = Task { _ = try await client.getCandidateStatus(candidate, jobPositionId: "pos_1") }
                group.addTask {
                    try? await Task.sleep(for: .microseconds(turn * 50))
                    call.cancel()
                    if case .failure(let error) = await call.result { #expect(error is CancellationError) }
                }
            }
        }
        #expect(try await client.getCandidateStatus(candidate, jobPositionId: "pos_1").status == .new)
    }

    actor Counter {
        private(set) var value = 0
        func increment() { value += 1 }
    }

    @Test func aKeyProviderIsCalledBeforeEachAttempt() async throws {
        let calls = Counter()
        let key = sandbox.apiKey
        let client = try Celper(
            keyProvider: {
                try await Task.sleep(for: .milliseconds(10))
                await calls.increment()
                return key
            }, baseURL: sandbox.baseURL)
        let candidate = try await sandbox.candidate()
        try await sandbox.fault(candidate, .status(503))
        _ = try await client.getCandidateStatus(candidate, jobPositionId: "pos_1")
        #expect(await calls.value == 2)
    }

    @Test func aKeyProvidersErrorIsTheUnderlyingError() async throws {
        struct SignedOut: LocalizedError {
            var errorDescription: String? { "signed out" }
        }
        let client = try Celper(keyProvider: { throw SignedOut() }, baseURL: sandbox.baseURL)
        do {
            _ = try await client.getCandidateStatus("provider-throws", jobPositionId: "pos_1")
            Issue.record("no error")
        } catch let error as CelperError {
            #expect(error.kind == .authentication && error.underlyingError is SignedOut)
            #expect(error.localizedDescription.contains("signed out"))
        }
        #expect(try await sandbox.requests("provider-throws").isEmpty)
    }

    @Test func cancellingACallCancelsItsKeyProvider() async throws {
        let (started, cancelled) = (Counter(), Counter())
        let client = try Celper(
            keyProvider: {
                await started.increment()
                do { try await Task.sleep(for: .seconds(600)) } catch { await cancelled.increment() }
                return "late"
            }, baseURL: sandbox.baseURL)
        let task = Task { try await client.getCandidateStatus("c", jobPositionId: "p") }
        try await sandbox.eventually("the provider is called") { await started.value == 1 }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        try await sandbox.eventually("the provider is cancelled") { await cancelled.value == 1 }
    }

    @Test func nothingIsKeptOfKeyProvidersWhoseCallsWereCancelled() async throws {
        struct SignedOut: Error {}
        let client = try Celper(
            keyProvider: {
                try? await Task.sleep(for: .milliseconds(3))
                throw SignedOut()
            }, baseURL: sandbox.baseURL)
        for turn in 0..<200 {
            let call = Task { try await client.getCandidateStatus("c", jobPositionId: "p") }
            try await Task.sleep(for: .milliseconds(turn % 6))
            call.cancel()
            _ = await call.result
        }
        try await sandbox.eventually("no request and no error is kept") { KeyRequests.shared.counts == [0, 0] }
    }

    @Test func closingAClientLetsRunningCallsFinishAndRejectsNewOnes() async throws {
        let candidate = try await sandbox.slowCandidate(1)
        let closing = try sandbox.client()
        let call = Task { try await closing.getCandidateStatus(candidate, jobPositionId: "pos_1") }
        try await sandbox.waitForRequest(candidate)
        closing.close()
        closing.close()
        #expect(try await call.value.status == .new)
        await #expect(throws: CelperError.self) {
            try await closing.getCandidateStatus(candidate, jobPositionId: "pos_1")
        }
    }

    @Test func callsFinishAlthoughNothingElseRefersToTheirClient() async throws {
        let sandbox = sandbox
        try await withThrowingTaskGroup(of: CandidateStatus.self) { group in
            for _ in 0..<40 {
                group.addTask {
                    let candidate = try await sandbox.slowCandidate(1)
                    return try await sandbox.client().getCandidateStatus(candidate, jobPositionId: "pos_1").status
                }
            }
            for try await status in group { #expect(status == .new) }
        }
    }
}

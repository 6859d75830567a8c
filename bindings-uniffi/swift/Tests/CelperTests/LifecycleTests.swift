import CelperGenerated
import Foundation
import Testing

@testable import enum Celper.CandidateStatus
@testable import class Celper.Celper
@testable import struct Celper.CelperError

@Suite(.timeLimit(.minutes(5))) struct LifecycleTests {
    let sandbox = Sandbox.shared
    let client: Celper

    init() throws { client = try Sandbox.shared.client() }

    @Test func theKindsAreTheCores() {
        #expect(Set(errorKinds().map(\.name)) == Set(CelperError.Kind.allCases.map(\.rawValue)))
        #expect(errorKinds().count == CelperError.Kind.allCases.count)
    }

    @Test func cancellingTheTaskReturnsAtOnceAndDropsTheRequest() async throws {
        let candidate = try await sandbox.slow()
        let client = client
        let task = Task { try await client.inviteCandidate(candidate, jobPositionId: "pos_1") }
        try await sandbox.arrived(candidate)
        task.cancel()
        // Long before the answer, which takes ten minutes, and the call's own timeout.
        await #expect(throws: CancellationError.self) { try await task.value }
        try await sandbox.hungUp(candidate)
    }

    @Test func aGroupsChildIsCancelledWithIt() async throws {
        let candidate = try await sandbox.slow()
        let (client, sandbox) = (client, sandbox)
        struct Enough: Error {}
        await #expect(throws: Enough.self) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await client.inviteCandidate(candidate, jobPositionId: "pos_1") }
                group.addTask {
                    try await sandbox.arrived(candidate)
                    throw Enough()
                }
                // Not waitForAll, which would wait for the other one as well.
                try await group.next()
            }
        }
        try await sandbox.hungUp(candidate)
    }

    @Test func aTaskThatIsCancelledAlreadySendsNothing() async throws {
        let candidate = try await sandbox.candidate()
        let client = client
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await client.inviteCandidate(candidate, jobPositionId: "pos_1")
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        // What had been sent before this one would have arrived before it.
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

    @Test func aKeyProviderIsAskedBeforeEachAttempt() async throws {
        let asked = Counter()
        let key = sandbox.apiKey
        let client = try Celper(
            keyProvider: {
                try await Task.sleep(for: .milliseconds(10))
                await asked.increment()
                return key
            }, baseURL: sandbox.baseURL)
        let candidate = try await sandbox.candidate()
        try await sandbox.fault(candidate, #""kind":"status","status":503"#)
        _ = try await client.getCandidateStatus(candidate, jobPositionId: "pos_1")
        #expect(await asked.value == 2)
    }

    @Test func whatAKeyProviderThrowsIsTheUnderlyingError() async throws {
        struct SignedOut: LocalizedError {
            var errorDescription: String? { "signed out" }
        }
        let client = try Celper(keyProvider: { throw SignedOut() }, baseURL: sandbox.baseURL)
        do {
            _ = try await client.getCandidateStatus("unasked", jobPositionId: "pos_1")
            Issue.record("no error")
        } catch let error as CelperError {
            #expect(error.kind == .authentication && error.underlyingError is SignedOut)
            #expect(error.localizedDescription.contains("signed out"))
        }
        #expect(try await sandbox.requests("unasked").isEmpty)
    }

    @Test func cancellingACallCancelsItsKeyProvider() async throws {
        let (begun, ended) = (Counter(), Counter())
        let client = try Celper(
            keyProvider: {
                await begun.increment()
                do { try await Task.sleep(for: .seconds(600)) } catch { await ended.increment() }
                return "late"
            }, baseURL: sandbox.baseURL)
        let task = Task { try await client.getCandidateStatus("c", jobPositionId: "p") }
        try await sandbox.eventually("the provider is asked") { await begun.value == 1 }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        try await sandbox.eventually("the provider is cancelled") { await ended.value == 1 }
    }

    @Test func aPanicInRustArrivesAsAnError() async throws {
        // What no provider of the facade's can do: an error of a type that the border does not know.
        final class Broken: KeySource {
            struct OutOfTheBlue: Error {}
            func apiKey() async throws -> String { throw OutOfTheBlue() }
        }
        let options = Options(
            apiKey: nil, keySource: Broken(), baseUrl: sandbox.baseURL, allowEmulatorHost: false, timeout: nil,
            attemptTimeout: nil, maxRetries: nil, rateLimits: nil, proxy: nil, caCertificates: nil, appInfo: nil,
            language: "swift", languageVersion: "0")
        guard case .opened(let native) = CelperGenerated.open(options: options) else {
            Issue.record("no client")
            return
        }
        let input = CallInput(
            operation: "invite", candidateId: "c", jobPositionId: "p", emailSubject: nil, emailBody: nil,
            idempotencyKey: nil, timeout: nil, maxRetries: nil)
        guard case .failed(let failure) = await native.call(input: input, cancel: CancelToken()) else {
            Issue.record("no failure")
            return
        }
        let error = CelperError(failure)
        #expect(error.kind == .unexpectedResponse && error.outcomeUnknown)
        #expect(error.message.contains("internal error in the SDK"))
    }

    @Test func closingInTheMiddleOfCallsLetsThemFinish() async throws {
        let candidate = try await sandbox.slow(1)
        let closing = try sandbox.client()
        let call = Task { try await closing.getCandidateStatus(candidate, jobPositionId: "pos_1") }
        try await sandbox.arrived(candidate)
        closing.close()
        closing.close()
        #expect(try await call.value.status == .new)
        await #expect(throws: CelperError.self) {
            try await closing.getCandidateStatus(candidate, jobPositionId: "pos_1")
        }
    }

    @Test func clientsThatNobodyHoldsInTheMiddleOfCallsDoNoHarm() async throws {
        let sandbox = sandbox
        try await withThrowingTaskGroup(of: CandidateStatus.self) { group in
            for _ in 0..<40 {
                group.addTask {
                    let candidate = try await sandbox.slow(1)
                    return try await sandbox.client().getCandidateStatus(candidate, jobPositionId: "pos_1").status
                }
            }
            for try await status in group { #expect(status == .new) }
        }
    }
}

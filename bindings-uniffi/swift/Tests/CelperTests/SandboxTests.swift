import Foundation
import Testing

@testable import CelperSandbox

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

private typealias Server = CelperSandbox.Sandbox

/// The sandbox's package: each method has its effect on real requests.
@Suite(.timeLimit(.minutes(5))) struct SandboxTests {
    /// Runs a body with a sandbox of its own.
    private func with(
        limits: Server.Limits? = nil, apiKey: String? = nil, _ body: (Server) async throws -> Void
    ) async throws {
        let sandbox = try await withSandbox(limits: limits, apiKey: apiKey, program: Sandbox.program) { sandbox in
            try await body(sandbox)
            return sandbox
        }
        await #expect(throws: SandboxError.self) { try await sandbox.candidates() }
    }

    /// What a call throws.
    private func refusal(_ call: () async throws -> Any) async -> SandboxError? {
        do {
            Issue.record("no error, but \(try await call())")
            return nil
        } catch {
            return error as? SandboxError
        }
    }

    /// The status of the response to an action, or to a read of the status.
    private func call(
        _ sandbox: Server, _ candidate: String, _ operation: String = "invite", key: String? = nil
    ) async throws -> Int {
        let read = operation == "status"
        let path = "\(sandbox.baseURL)/v1/candidates/\(candidate)/\(operation)" + (read ? "?jobPositionId=pos_1" : "")
        var request = URLRequest(url: try #require(URL(string: path)))
        request.setValue(key ?? sandbox.apiKey, forHTTPHeaderField: "X-API-Key")
        if !read {
            request.httpMethod = "POST"
            request.httpBody = Data(#"{"jobPositionId":"pos_1"}"#.utf8)
        }
        let (_, response) = try await URLSession.shared.data(for: request)
        return try #require(response as? HTTPURLResponse).statusCode
    }

    @Test func candidatesAreCreatedChangedAndRead() async throws {
        try await with { sandbox in
            let first = try await sandbox.createCandidate()
            #expect((first.id, first.jobPositionId, first.status) == ("cand_1", "pos_1", "new"))
            #expect(!first.analysisViewed && first.interviewScore == nil)
            let ready = try await sandbox.createInterviewedCandidate()
            #expect(ready.id == "cand_2" && ready.interviewScore == 85)
            #expect(try await sandbox.changeCandidate(ready.id, interviewScore: 7.5).interviewScore == 7.5)
            let named = try await sandbox.createCandidate("é /?", jobPositionId: "p", extra: ["tags": [1, nil, "a"]])
            #expect(try await sandbox.candidate(named.id, jobPositionId: "p") == named)
            await #expect(throws: SandboxError.self) { try await sandbox.candidate(named.id) }
            #expect(try await call(sandbox, "%C3%A9%20%2F%3F") == 404)
            #expect(try await sandbox.requests(named.id).map(\.candidateId) == [named.id])
            try await sandbox.reset()
            #expect(try await sandbox.candidates().isEmpty)
            #expect(try await sandbox.createCandidate().id == "cand_1")
        }
    }

    @Test func requestsAndMailsAreRecorded() async throws {
        try await with { sandbox in
            let candidate = try await sandbox.createCandidate().id
            try await sandbox.queueFault(candidate, .status(503).act(.before).operation(.invite))
            let start = try await sandbox.now()
            #expect(try await call(sandbox, candidate, "status") == 200)
            #expect(try await call(sandbox, candidate) == 503)
            let requests = try await sandbox.requests()
            let invite = try #require(requests.last)
            #expect(requests.map(\.answered) == [200, 503] && requests.map(\.fault) == [nil, "status"])
            #expect(invite.acted && invite.body == #"{"jobPositionId":"pos_1"}"# && invite.query == nil)
            #expect(abs(invite.receivedAt.timeIntervalSince(start)) < 60)
            let mail = try #require(try await sandbox.outbox().first)
            #expect(mail.candidateId == candidate && mail.defaultSubject && mail.defaultBody)
            try await sandbox.clearRequests()
            try await sandbox.clearOutbox()
            #expect(try await sandbox.requests().isEmpty)
            #expect(try await sandbox.outbox().isEmpty)
        }
    }

    @Test func theSandboxAcceptsEachFault() async throws {
        let faults: [Server.Fault] = [
            .status(500, body: "text"), .status(200, headers: ["Date": nil], json: ["success": nil]),
            .delay(.milliseconds(1)).act(.after), .close(reset: true), .cut(), .cut(afterBytes: 1),
            .drip(bytesPerSecond: 0.5), .endless(), .notJSON(status: 502), .huge(bytes: 100_000),
            .redirect(to: "/", status: 302), .answer(data: nil), .answer(envelope: 1), .closeIdle.always(),
        ]
        try await with { sandbox in
            for fault in faults { try await sandbox.queueFault("c", fault) }
            guard case .array(let pending) = try await sandbox.control("faults") else { throw SandboxError("no list") }
            #expect(pending.count == faults.count)
            try await sandbox.clearFaults()
            #expect(try await sandbox.control("faults") == [])
        }
    }

    @Test func theTypesListWhatTheProgramAccepts() async throws {
        let fault: [String: JSON] = ["candidateId": "c", "kind": "close"]
        let words: [([String], String, [String: JSON])] = [
            (Server.Operation.allCases.map(\.rawValue), "faults", fault.merging(["operation": "?"]) { $1 }),
            (Server.Act.allCases.map(\.rawValue), "faults", fault.merging(["act": "?"]) { $1 }),
            (Server.Scope.allCases.map(\.rawValue), "keys", ["key": "celp_x", "scopes": ["?"]]),
            (Server.KeyState.allCases.map(\.rawValue), "keys", ["key": "celp_x", "state": "?"]),
            (Server.CompanyState.allCases.map(\.rawValue), "company", ["state": "?"]),
        ]
        try await with { sandbox in
            for (listed, path, body) in words {
                let error = await refusal { try await sandbox.control(path, .object(body)) }
                let known = error?.description.split(separator: "`", omittingEmptySubsequences: false)
                let names = known?.enumerated().filter { $0.offset % 2 == 1 }.dropFirst().map { String($0.element) }
                #expect(names == listed)
            }
        }
    }

    @Test func accessLimitsAndTheClock() async throws {
        try await with(limits: .init(actions: 1, window: .milliseconds(3_600_500)), apiKey: "celp_mine") { sandbox in
            #expect(sandbox.apiKey == "celp_mine")
            let candidate = try await sandbox.createCandidate().id
            #expect(try await call(sandbox, candidate) == 200)
            #expect(try await call(sandbox, candidate) == 429)
            try await sandbox.setLimits(nil)
            #expect(try await call(sandbox, candidate) == 409)
            try await sandbox.setLimits(.init(reads: 0))
            #expect(try await call(sandbox, candidate, "status") == 429)
            try await sandbox.setLimits(nil)
            let reader = try await sandbox.addKey(scopes: [.readCandidates])
            #expect(try await call(sandbox, candidate, key: reader) == 403)
            #expect(try await call(sandbox, candidate, "status", key: reader) == 200)
            try await sandbox.setCompany(.accountSuspended)
            #expect(try await call(sandbox, candidate) == 403)
            let before = try await sandbox.now()
            #expect(try await sandbox.advanceClock(by: .seconds(7 * 86_400)) >= before + 7 * 86_400)
            #expect(try await sandbox.candidate(candidate).status == "expired")
        }
    }

    /// The receiver is another sandbox, whose control endpoint takes the POST.
    @Test func webhooksAreDeliveredAndWaitedFor() async throws {
        try await with { receiver in
            try await with { sandbox in
                let candidate = try await sandbox.createCandidate().id
                try await sandbox.setWebhook(url: "\(receiver.baseURL)/_sandbox/reset", secret: "whsec_test")
                try await sandbox.queueDeliveryFault(.late(.milliseconds(10)))
                _ = try await sandbox.changeCandidate(candidate, status: "interviewed")
                let delivery = try await sandbox.waitForDelivery(candidate, status: "interviewed")
                #expect(delivery.attempt == 1 && delivery.answered == 200 && delivery.fault == .late(.milliseconds(10)))
                #expect(delivery.body.contains(#""previousStatus":"new""#))
                try await sandbox.clearDeliveries()
                try await sandbox.setWebhook(url: "\(receiver.baseURL)/_sandbox/none", secret: "whsec_test")
                try await sandbox.queueDeliveryFault(.wrongSignature)
                _ = try await sandbox.changeCandidate(candidate, status: "rejected")
                while try await sandbox.deliveries().isEmpty { try await Task.sleep(for: .milliseconds(5)) }
                let error = await refusal {
                    try await sandbox.waitForDelivery(timeout: .zero)
                }
                #expect(error?.description.hasSuffix(#"attempts that failed: ["404"]"#) == true)
                try await sandbox.removeWebhook()
            }
        }
    }

    @Test func aProgramThatCannotBeRunIsAnErrorThatSaysSo() async throws {
        for (program, text) in [("/none", "/none"), ("/bin/echo", "is not celper-sandbox: it printed --host")] {
            let error = await refusal {
                try await Server.start(program: URL(fileURLWithPath: program))
            }
            #expect(error?.description.contains(text) == true)
        }
        let refused = await refusal {
            try await Server.start(host: "nowhere", program: Sandbox.program)
        }
        #expect(refused?.description.contains("nowhere") == true)
    }
}

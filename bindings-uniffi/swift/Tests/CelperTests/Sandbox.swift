import Foundation
import Testing

@testable import Celper

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// The stand-in for the service, one process for all tests; it ends with this one, as its standard input does.
final class Sandbox: Sendable {
    static let shared = Sandbox()

    let baseURL: String
    let apiKey: String
    // Held open for as long as this process lives.
    private let input = Pipe()

    private init() {
        let here = URL(fileURLWithPath: #filePath)
        let repository = (1...5).reduce(here) { url, _ in url.deletingLastPathComponent() }
        let path = ProcessInfo.processInfo.environment["CELPER_SANDBOX"]
        let process = Process()
        process.executableURL =
            path.map(URL.init(fileURLWithPath:)) ?? repository.appendingPathComponent("target/release/celper-sandbox")
        process.arguments = ["--port", "0", "--no-limits", "--exit-with-parent"]
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        do {
            try process.run()
        } catch {
            fatalError("no sandbox (build celper-sandbox, or set CELPER_SANDBOX): \(error)")
        }
        let line = output.fileHandleForReading.availableData
        let ready = try! JSONSerialization.jsonObject(with: line) as! [String: Any]
        baseURL = ready["base_url"] as! String
        apiKey = ready["api_key"] as! String
    }

    func client() throws -> Celper { try Celper(apiKey: apiKey, baseURL: baseURL, rateLimits: nil) }

    /// A candidate of its own for each test, for `pos_1`.
    func candidate(_ status: String = "new", viewed: Bool = false) async throws -> String {
        let id = "swift_\(UUID().uuidString)"
        let state = #""status":"\#(status)","analysisViewed":\#(viewed),"interviewScore":85"#
        _ = try await control("candidates", #"{"candidateId":"\#(id)","jobPositionId":"pos_1",\#(state)}"#)
        return id
    }

    func fault(_ candidate: String, _ fault: String) async throws {
        _ = try await control("faults", #"{"candidateId":"\#(candidate)",\#(fault)}"#)
    }

    /// A candidate whose calls are answered only after so many seconds: by default longer than any test waits.
    func slow(_ seconds: Int = 600) async throws -> String {
        let candidate = try await candidate()
        try await fault(candidate, #""kind":"delay","seconds":\#(seconds),"act":"after","times":null"#)
        return candidate
    }

    struct Request: Decodable, Sendable {
        let path: String
        let header: [String: String]
        let body: String?
        let clientClosed: Bool
    }

    func requests(_ candidate: String? = nil) async throws -> [Request] {
        let data = try await control("requests" + (candidate.map { "?candidateId=\($0)" } ?? ""))
        return try JSONDecoder().decode([Request].self, from: data)
    }

    func arrived(_ candidate: String) async throws {
        try await eventually("\(candidate)'s request arrives") { try await !self.requests(candidate).isEmpty }
    }

    /// One request, whose socket was closed, and no retry: a retry would come within half a second, and so before a call
    /// that begins now has waited for two retries of its own, which takes three quarters of one at least.
    func hungUp(_ candidate: String) async throws {
        try await eventually("the sandbox sees the client leave") {
            try await self.requests(candidate).contains { $0.clientClosed }
        }
        let other = try await self.candidate()
        try await fault(other, #""kind":"status","status":503,"times":2"#)
        _ = try await client().getCandidateStatus(other, jobPositionId: "pos_1")
        #expect(try await requests(candidate).count == 1)
    }

    /// Waits for what the sandbox sees a moment later than its client.
    func eventually(_ what: String, _ holds: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try await !holds() {
            if ContinuousClock.now > deadline {
                Issue.record("not within a minute: \(what)")
                return
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func control(_ path: String, _ body: String? = nil) async throws -> Data {
        var request = URLRequest(url: URL(string: "\(baseURL)/_sandbox/\(path)")!)
        if let body {
            request.httpMethod = "POST"
            request.httpBody = Data(body.utf8)
        }
        let (data, response) = try await URLSession.shared.data(for: request)
        let status = (response as? HTTPURLResponse)?.statusCode ?? 0
        try #require((200..<300).contains(status), "\(String(decoding: data, as: UTF8.self))")
        return data
    }
}

import Foundation
import Testing

@testable import Celper

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// The sandbox server and a client of its control endpoints. All tests share one process, which ends with this one because its
/// standard input is closed.
final class Sandbox: Sendable {
    static let shared = Sandbox()

    let baseURL: String
    let apiKey: String
    // Open as long as this process runs.
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
            fatalError("no sandbox (run `make sandbox`, or set CELPER_SANDBOX): \(error)")
        }
        let line = output.fileHandleForReading.availableData
        let ready = try! JSONSerialization.jsonObject(with: line) as! [String: Any]
        baseURL = ready["base_url"] as! String
        apiKey = ready["api_key"] as! String
    }

    func client() throws -> Celper { try Celper(apiKey: apiKey, baseURL: baseURL, rateLimits: nil) }

    /// Creates a candidate for the job position `pos_1` and returns its id. Each test uses its own candidates.
    func candidate(_ status: String = "new", analysisViewed: Bool = false) async throws -> String {
        let id = "swift_\(UUID().uuidString)"
        let state = #""status":"\#(status)","analysisViewed":\#(analysisViewed),"interviewScore":85"#
        _ = try await control("candidates", #"{"candidateId":"\#(id)","jobPositionId":"pos_1",\#(state)}"#)
        return id
    }

    /// Queues a fault for the candidate's requests.
    func fault(_ candidate: String, _ fault: String) async throws {
        _ = try await control("faults", #"{"candidateId":"\#(candidate)",\#(fault)}"#)
    }

    /// Creates a candidate whose responses are delayed, by default for longer than any test runs.
    func slowCandidate(_ seconds: Int = 600) async throws -> String {
        let candidate = try await candidate()
        try await fault(candidate, #""kind":"delay","seconds":\#(seconds),"act":"after","times":null"#)
        return candidate
    }

    struct Request: Decodable, Sendable {
        let path: String
        let header: [String: String]
        let body: String?
        let clientClosed: Bool
        let answered: Int?
    }

    /// The requests that the sandbox has received: all, or those for a candidate.
    func requests(_ candidate: String? = nil) async throws -> [Request] {
        let data = try await control("requests" + (candidate.map { "?candidateId=\($0)" } ?? ""))
        return try JSONDecoder().decode([Request].self, from: data)
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
        try await fault(other, #""kind":"status","status":503,"times":2"#)
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

    /// Sends a request to a control endpoint: a GET, or with a body a POST.
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

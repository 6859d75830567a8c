import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// A sandbox, with methods to set it up and to read what happened.
///
/// ```swift
/// try await withSandbox { sandbox in
///     let candidate = try await sandbox.createCandidate()
///     let client = try Celper(apiKey: sandbox.apiKey, baseURL: sandbox.baseURL, rateLimits: nil)
///     _ = try await client.inviteCandidate(candidate.id, jobPositionId: candidate.jobPositionId)
///     print(try await sandbox.outbox())
/// }
/// ```
///
/// One that was started runs until it is stopped or no longer referenced, or until this process ends, even if it is killed. Methods throw
/// a ``SandboxError`` if the sandbox refuses.
public final class Sandbox: Sendable, CustomStringConvertible {
    /// The `baseURL` for a client.
    public let baseURL: String
    /// An API key with all scopes.
    public let apiKey: String
    private let session: URLSession
    private let count = Counter()
    #if os(macOS) || os(Linux)
        private let program: Program?
    #endif

    /// A sandbox that runs already: in tests on a simulator, one of its Mac.
    public init(baseURL: String, apiKey: String) {
        self.baseURL = baseURL
        self.apiKey = apiKey
        session = Self.session()
        #if os(macOS) || os(Linux)
            program = nil
        #endif
    }

    /// Its address.
    public var description: String { "Sandbox(\(baseURL))" }

    private static func session() -> URLSession {
        let configuration = URLSessionConfiguration.ephemeral
        // A proxy must not be used for the machine itself.
        configuration.connectionProxyDictionary = [:]
        return URLSession(configuration: configuration)
    }

    #if os(macOS) || os(Linux)
        private init(_ program: Program, _ announced: Program.Announced) {
            baseURL = announced.base_url
            apiKey = announced.api_key
            session = Self.session()
            self.program = program
        }

        /// Starts a sandbox.
        ///
        /// - Parameters:
        ///   - limits: The rate limits; nil turns rate limiting off.
        ///   - host: The IP address to listen on; `0.0.0.0` for all, so that a container can reach it.
        ///   - port: The port to listen on; 0 takes any free port.
        ///   - serverNames: More names under which clients reach it, such as `host.docker.internal`, which the control endpoints accept as
        ///     `Host`.
        ///   - apiKey: The API key with all scopes; a random one by default.
        ///   - program: The program `celper-sandbox`. By default it is `CELPER_SANDBOX` of the environment, or else the one in `PATH`.
        /// - Throws: A ``SandboxError`` if it does not start.
        public static func start(
            limits: Limits? = nil, host: String = "127.0.0.1", port: Int = 0, serverNames: [String] = [],
            apiKey: String? = nil, program: URL? = nil
        ) async throws -> Sandbox {
            try await withCheckedThrowingContinuation { continuation in
                DispatchQueue.global().async {
                    let started = Result {
                        try launch(
                            limits, host: host, port: port, serverNames: serverNames, apiKey: apiKey, program: program)
                    }
                    continuation.resume(with: started)
                }
            }
        }

        /// Blocks the thread, for some milliseconds.
        static func launch(
            _ limits: Limits? = nil, host: String = "127.0.0.1", port: Int = 0, serverNames: [String] = [],
            apiKey: String? = nil, program: URL? = nil
        ) throws -> Sandbox {
            var arguments = [
                "--host=\(host)", "--port=\(port)", "--key=\(apiKey ?? randomKey())", "--exit-with-parent",
            ]
            arguments += serverNames.map { "--server-name=\($0)" }
            if let limits {
                arguments += ["--reads=\(limits.reads)", "--actions=\(limits.actions)", "--total=\(limits.total)"]
                arguments.append("--window=\(limits.window / .seconds(1))")
            } else {
                arguments.append("--no-limits")
            }
            let (process, announced) = try Program.start(program, arguments)
            return Sandbox(process, announced)
        }

        /// Stops a sandbox that was started, and waits until its process has exited. Can be called more than once.
        public func stop() async { await program?.stop() }
    #endif

    // MARK: Setup

    /// Creates a candidate, or replaces the one with the same ids.
    ///
    /// - Parameters:
    ///   - candidateId: The id; `cand_1`, `cand_2` … by default.
    ///   - status: Any text, including a status that clients do not know.
    ///   - interviewScore: Absent from responses by default; for one that is null, add it to `extra`.
    ///   - extra: More fields for the data of status responses.
    public func createCandidate(
        _ candidateId: String? = nil, jobPositionId: String = "pos_1", status: String = "new",
        analysisViewed: Bool = false, interviewScore: Double? = nil, extra: [String: JSON] = [:]
    ) async throws -> Candidate {
        var body: [String: JSON] = [
            "candidateId": .string(candidateId ?? "cand_\(count.next())"), "jobPositionId": .string(jobPositionId),
            "status": .string(status), "analysisViewed": .bool(analysisViewed), "extra": .object(extra),
        ]
        body["interviewScore"] = interviewScore.map { .number($0) }
        return try await ask("candidates", .object(body))
    }

    /// Creates a candidate who can be selected or rejected.
    public func createInterviewedCandidate(_ candidateId: String? = nil) async throws -> Candidate {
        try await createCandidate(candidateId, status: "interviewed", analysisViewed: true, interviewScore: 85)
    }

    /// Changes fields of a candidate; those that are nil stay.
    public func changeCandidate(
        _ candidateId: String, jobPositionId: String = "pos_1", status: String? = nil, analysisViewed: Bool? = nil,
        interviewScore: Double? = nil
    ) async throws -> Candidate {
        var body: [String: JSON] = ["candidateId": .string(candidateId), "jobPositionId": .string(jobPositionId)]
        body["status"] = status.map { .string($0) }
        body["analysisViewed"] = analysisViewed.map { .bool($0) }
        body["interviewScore"] = interviewScore.map { .number($0) }
        return try await ask("candidates", .object(body), "PATCH")
    }

    /// All candidates in their current state.
    public func candidates() async throws -> [Candidate] { try await ask("candidates") }

    /// One candidate in its current state.
    public func candidate(_ candidateId: String, jobPositionId: String = "pos_1") async throws -> Candidate {
        let found = try await candidates().first { $0.id == candidateId && $0.jobPositionId == jobPositionId }
        guard let found else { throw SandboxError("there is no candidate \(candidateId) for \(jobPositionId)") }
        return found
    }

    /// Queues a fault for the next request for a candidate.
    public func queueFault(_ candidateId: String, _ fault: Fault) async throws {
        let target: [String: JSON] = ["candidateId": .string(candidateId)]
        _ = try await control("faults", .object(target.merging(fault.fields) { own, _ in own }))
    }

    /// Removes all pending faults.
    public func clearFaults() async throws { _ = try await control("faults", method: "DELETE") }

    /// Adds or replaces an API key and returns it; by default a random one with all scopes and for any address.
    public func addKey(
        _ key: String? = nil, scopes: Set<Scope>? = nil, state: KeyState = .active, allowlist: [String]? = nil
    ) async throws -> String {
        let key = key ?? Self.randomKey()
        var body: [String: JSON] = ["key": .string(key), "state": .string(state.rawValue)]
        body["scopes"] = scopes.map { .array($0.map { .string($0.rawValue) }) }
        body["allowlist"] = allowlist.map { .array($0.map { .string($0) }) }
        _ = try await control("keys", .object(body))
        return key
    }

    /// Disables or suspends the company's access to the API, or restores it.
    public func setCompany(_ state: CompanyState) async throws {
        _ = try await control("company", ["state": .string(state.rawValue)])
    }

    /// Changes the rate limits; nil turns rate limiting off.
    public func setLimits(_ limits: Limits?) async throws {
        guard let limits else {
            _ = try await control("limits", ["enabled": false])
            return
        }
        let body: JSON = [
            "reads": JSON(limits.reads), "actions": JSON(limits.actions), "total": JSON(limits.total),
            "window": JSON(limits.window), "enabled": true,
        ]
        _ = try await control("limits", body)
    }

    // MARK: Webhooks

    /// Delivers an event to this URL for every change of a candidate's status, signed with the secret. A delivery that gets no 2xx is
    /// tried again, 4 times in all, after 0.1, 0.2 and 0.4 seconds.
    public func setWebhook(url: String, secret: String) async throws {
        _ = try await control("webhook", ["url": .string(url), "secret": .string(secret)])
    }

    /// Delivers no more events.
    public func removeWebhook() async throws { _ = try await control("webhook", method: "DELETE") }

    /// Queues a fault for the next event.
    public func queueDeliveryFault(_ fault: DeliveryFault) async throws {
        _ = try await control("webhook-faults", .object(fault.fields))
    }

    /// The attempts at deliveries that have ended, in order: the latest 10,000, at most 16 MiB.
    public func deliveries() async throws -> [Delivery] { try await ask("deliveries") }

    /// Clears the list of deliveries.
    public func clearDeliveries() async throws { _ = try await control("deliveries", method: "DELETE") }

    /// Waits until a webhook was delivered with a 2xx, for this candidate and status if they are given.
    ///
    /// - Throws: A ``SandboxError`` if there is none in this time; it has the attempts that failed.
    public func waitForDelivery(
        _ candidateId: String? = nil, status: String? = nil, timeout: Duration = .seconds(10)
    ) async throws -> Delivery {
        let end = ContinuousClock.now + timeout
        while true {
            let attempts = try await deliveries().filter {
                (candidateId ?? $0.candidateId) == $0.candidateId && (status ?? $0.status) == $0.status
            }
            if let found = attempts.first(where: { 200..<300 ~= $0.answered ?? 0 }) { return found }
            if ContinuousClock.now > end {
                let failed = attempts.map { attempt in attempt.answered.map { "\($0)" } ?? attempt.error ?? "" }
                throw SandboxError("no webhook was delivered; attempts that failed: \(failed)")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    // MARK: The clock

    private struct Now: Decodable { let now: Date }

    /// The time on the sandbox's clock.
    public func now() async throws -> Date { (try await ask("clock") as Now).now }

    /// Advances the sandbox's clock and returns its new time. Rate windows, idempotency keys and sessions follow it; a client's own
    /// waits do not.
    @discardableResult
    public func advanceClock(by duration: Duration) async throws -> Date {
        (try await ask("clock", ["advanceSeconds": JSON(duration)]) as Now).now
    }

    // MARK: Results

    /// The logged requests in order: all, or those for one candidate. The sandbox keeps the latest 20,000, at most 40 MB of them, and
    /// the first 64 KiB of each body.
    public func requests(_ candidateId: String? = nil) async throws -> [Request] {
        let id = candidateId?.addingPercentEncoding(withAllowedCharacters: .alphanumerics)
        return try await ask("requests" + (id.map { "?candidateId=\($0)" } ?? ""))
    }

    /// Clears the request log.
    public func clearRequests() async throws { _ = try await control("requests", method: "DELETE") }

    /// The e-mails that the service would have sent, in order: the latest 10,000, at most 16 MiB.
    public func outbox() async throws -> [Mail] { try await ask("outbox") }

    /// Clears the outbox.
    public func clearOutbox() async throws { _ = try await control("outbox", method: "DELETE") }

    /// Clears everything, and resets keys, limits and the clock to their initial state. ``apiKey`` stays valid.
    public func reset() async throws {
        _ = try await control("reset", method: "POST")
        count.reset()
    }

    /// Calls any control endpoint; the sandbox's README lists them.
    public func control(_ path: String, _ body: JSON? = nil, method: String? = nil) async throws -> JSON {
        try await ask(path, body, method)
    }

    private struct Refused: Decodable { let error: String }

    private func ask<Result: Decodable>(
        _ path: String, _ body: JSON? = nil, _ method: String? = nil
    ) async throws -> Result {
        guard let url = URL(string: "\(baseURL)/_sandbox/\(path)") else { throw SandboxError("\(path) is not a path") }
        var request = URLRequest(url: url)
        request.httpMethod = method ?? (body == nil ? "GET" : "POST")
        request.httpBody = try body.map { try JSONEncoder().encode($0) }
        let data: Data
        let status: Int
        do {
            let (content, response) = try await session.data(for: request)
            data = content
            status = (response as? HTTPURLResponse)?.statusCode ?? 0
        } catch let error as URLError where error.code != .cancelled {
            throw SandboxError("the sandbox at \(baseURL) does not respond: \(error.localizedDescription)")
        }
        if status >= 400 { throw SandboxError(try JSONDecoder().decode(Refused.self, from: data).error) }
        return try Self.decoder().decode(Result.self, from: data)
    }

    /// Times are Unix seconds or ISO 8601 with milliseconds.
    private static func decoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let value = try decoder.singleValueContainer()
            if let seconds = try? value.decode(Double.self) { return Date(timeIntervalSince1970: seconds) }
            return try Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(try value.decode(String.self))
        }
        return decoder
    }

    private static func randomKey() -> String {
        "celp_" + UUID().uuidString.replacingOccurrences(of: "-", with: "").lowercased()
    }
}

/// The number of candidates that were given an id.
private final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0

    func next() -> Int {
        lock.withLock {
            count += 1
            return count
        }
    }

    func reset() { lock.withLock { count = 0 } }
}

#if os(macOS) || os(Linux)
    /// Runs a body with a sandbox that is stopped afterwards.
    ///
    /// - Parameters:
    ///   - limits: The rate limits; by default there are none.
    ///   - apiKey: The API key with all scopes; a random one by default.
    ///   - program: The program `celper-sandbox`. By default it is `CELPER_SANDBOX` of the environment, or else the one in `PATH`.
    public func withSandbox<Result: Sendable>(
        limits: Sandbox.Limits? = nil, apiKey: String? = nil, program: URL? = nil,
        isolation: isolated (any Actor)? = #isolation, _ body: (Sandbox) async throws -> Result
    ) async throws -> Result {
        let sandbox = try await Sandbox.start(limits: limits, apiKey: apiKey, program: program)
        do {
            let result = try await body(sandbox)
            await sandbox.stop()
            return result
        } catch {
            await sandbox.stop()
            throw error
        }
    }
#endif

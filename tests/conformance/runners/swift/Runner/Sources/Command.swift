import Celper
import Foundation

/// A command of the harness.
struct Command: Decodable, Sendable {
    enum Name: String, Decodable { case open, call, batch, cancel, close }

    enum Method: String, Decodable {
        case getCandidateStatus = "get_candidate_status"
        case inviteCandidate = "invite_candidate"
        case selectCandidate = "select_candidate"
        case rejectCandidate = "reject_candidate"
        case waitForStatus = "wait_for_status"
    }

    struct Arguments: Decodable {
        let candidateId: String
        let jobPositionId: String
        let emailSubject: String?
        let emailBody: String?
        let idempotencyKey: String?
        let timeout: Double?
        let maxRetries: Int?
        let until: [String]?
    }

    struct Row: Decodable {
        let operation: String
        let arguments: Arguments
    }

    let id: Int
    let name: Name
    let client: String?
    let options: Options?
    let method: Method?
    let arguments: Arguments?
    let requests: [Row]?
    let sourceError: String?
    let leaveAfter: Int?
    let cancellable: Bool?
    let callId: Int?

    private enum CodingKeys: String, CodingKey {
        case name = "command"
        case id, client, options, method, arguments, requests, sourceError, leaveAfter, cancellable, callId
    }

    init(_ line: String) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(Command.self, from: Data(line.utf8))
    }

    func call(_ client: Celper?) async throws -> [String: Any] {
        guard let client, let method, let arguments else { throw InvalidCommand("incomplete call: \(self)") }
        let (candidate, position, key, retries) = (
            arguments.candidateId, arguments.jobPositionId, arguments.idempotencyKey, arguments.maxRetries
        )
        let timeout = arguments.timeout.map(Duration.seconds)
        switch method {
        case .getCandidateStatus:
            return returned(
                try await client.getCandidateStatus(
                    candidate, jobPositionId: position, timeout: timeout, maxRetries: retries))
        case .inviteCandidate:
            return returned(
                try await client.inviteCandidate(
                    candidate, jobPositionId: position, emailSubject: arguments.emailSubject,
                    emailBody: arguments.emailBody,
                    idempotencyKey: key, timeout: timeout, maxRetries: retries))
        case .selectCandidate:
            return returned(
                try await client.selectCandidate(
                    candidate, jobPositionId: position, idempotencyKey: key, timeout: timeout, maxRetries: retries))
        case .waitForStatus:
            let until = (arguments.until ?? []).map(CandidateStatus.init(rawValue:))
            if let timeout {
                return returned(
                    try await client.waitForStatus(candidate, jobPositionId: position, until: until, timeout: timeout))
            }
            return returned(try await client.waitForStatus(candidate, jobPositionId: position, until: until))
        case .rejectCandidate:
            return returned(
                try await client.rejectCandidate(
                    candidate, jobPositionId: position, idempotencyKey: key, timeout: timeout, maxRetries: retries))
        }
    }
}

/// The options of a client.
struct Options: Decodable, Sendable {
    struct Limits: Decodable {
        var reads: Int?
        var actions: Int?
        var total: Int?
        var window: Double?
    }

    let apiKey: String?
    let baseUrl: String?
    let timeout: Double?
    let attemptTimeout: Double?
    let maxRetries: Int?
    /// Nil when pacing is off. When the option is absent, these are the defaults.
    let rateLimits: RateLimits?
    let proxy: String?
    let caCertificates: String?
    let appInfo: String?
    let allowHttpHosts: [String]?
    let rateLimitStore: String?
    let rateLimitName: String?
    let rateLimitStoreDown: String?
    let batchId: String?
    let journal: String?

    private enum CodingKeys: String, CodingKey {
        case apiKey, baseUrl, timeout, attemptTimeout, maxRetries, rateLimits, proxy, caCertificates, appInfo
        case allowHttpHosts, rateLimitStore, rateLimitName, rateLimitStoreDown, batchId, journal
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        apiKey = try values.decodeIfPresent(String.self, forKey: .apiKey)
        baseUrl = try values.decodeIfPresent(String.self, forKey: .baseUrl)
        timeout = try values.decodeIfPresent(Double.self, forKey: .timeout)
        attemptTimeout = try values.decodeIfPresent(Double.self, forKey: .attemptTimeout)
        maxRetries = try values.decodeIfPresent(Int.self, forKey: .maxRetries)
        proxy = try values.decodeIfPresent(String.self, forKey: .proxy)
        caCertificates = try values.decodeIfPresent(String.self, forKey: .caCertificates)
        appInfo = try values.decodeIfPresent(String.self, forKey: .appInfo)
        allowHttpHosts = try values.decodeIfPresent([String].self, forKey: .allowHttpHosts)
        rateLimitStore = try values.decodeIfPresent(String.self, forKey: .rateLimitStore)
        rateLimitName = try values.decodeIfPresent(String.self, forKey: .rateLimitName)
        rateLimitStoreDown = try values.decodeIfPresent(String.self, forKey: .rateLimitStoreDown)
        batchId = try values.decodeIfPresent(String.self, forKey: .batchId)
        journal = try values.decodeIfPresent(String.self, forKey: .journal)
        let limits = values.contains(.rateLimits) ? try values.decode(Limits?.self, forKey: .rateLimits) : Limits()
        rateLimits = limits.map { limits in
            var all = RateLimits()
            all.reads = limits.reads ?? all.reads
            all.actions = limits.actions ?? all.actions
            all.total = limits.total ?? all.total
            all.window = limits.window.map(Duration.seconds) ?? all.window
            return all
        }
    }

    func open() throws -> Celper {
        // Swift cannot leave out an argument at run time, so the defaults of two of them are repeated here.
        try Celper(
            apiKey: apiKey, baseURL: baseUrl, timeout: timeout.map(Duration.seconds),
            attemptTimeout: .seconds(attemptTimeout ?? 30), maxRetries: maxRetries ?? 2, rateLimits: rateLimits,
            proxy: proxy, caCertificates: caCertificates, appInfo: appInfo, allowHttpHosts: allowHttpHosts ?? [],
            rateLimitStore: rateLimitStore, rateLimitName: rateLimitName, rateLimitStoreDown: rateLimitStoreDown)
    }
}

import Celper
import Foundation

/// What is asked for, by the names of the protocol.
struct Request: Decodable, Sendable {
    enum What: String, Decodable { case open, call, cancel, close }

    enum Operation: String, Decodable { case status, invite, select, reject }

    struct Arguments: Decodable {
        let candidateId: String
        let jobPositionId: String
        let emailSubject: String?
        let emailBody: String?
        let idempotencyKey: String?
        let timeout: Double?
        let maxRetries: Int?
    }

    let id: Int
    let what: What
    let client: String?
    let options: Options?
    let operation: Operation?
    let arguments: Arguments?
    let cancellable: Bool?
    let call: Int?

    private enum CodingKeys: String, CodingKey {
        case what = "do"
        case id, client, options, operation, arguments, cancellable, call
    }

    init(_ line: String) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(Request.self, from: Data(line.utf8))
    }

    /// Makes the call as a user of the package would write it.
    func call(_ client: Celper?) async throws -> [String: Any] {
        guard let client, let operation, let given = arguments else { throw Nonsense("a call of nothing: \(self)") }
        let (candidate, position, key, retries) = (
            given.candidateId, given.jobPositionId, given.idempotencyKey, given.maxRetries
        )
        let timeout = given.timeout.map(Duration.seconds)
        switch operation {
        case .status:
            return returned(
                try await client.getCandidateStatus(
                    candidate, jobPositionId: position, timeout: timeout, maxRetries: retries))
        case .invite:
            return returned(
                try await client.inviteCandidate(
                    candidate, jobPositionId: position, emailSubject: given.emailSubject, emailBody: given.emailBody,
                    idempotencyKey: key, timeout: timeout, maxRetries: retries))
        case .select:
            return returned(
                try await client.selectCandidate(
                    candidate, jobPositionId: position, idempotencyKey: key, timeout: timeout, maxRetries: retries))
        case .reject:
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
    /// None when pacing is off, which is not the same as absent.
    let rateLimits: RateLimits?
    let proxy: String?
    let caCertificates: String?
    let appInfo: String?

    private enum CodingKeys: String, CodingKey {
        case apiKey, baseUrl, timeout, attemptTimeout, maxRetries, rateLimits, proxy, caCertificates, appInfo
    }

    init(from decoder: any Decoder) throws {
        let given = try decoder.container(keyedBy: CodingKeys.self)
        apiKey = try given.decodeIfPresent(String.self, forKey: .apiKey)
        baseUrl = try given.decodeIfPresent(String.self, forKey: .baseUrl)
        timeout = try given.decodeIfPresent(Double.self, forKey: .timeout)
        attemptTimeout = try given.decodeIfPresent(Double.self, forKey: .attemptTimeout)
        maxRetries = try given.decodeIfPresent(Int.self, forKey: .maxRetries)
        proxy = try given.decodeIfPresent(String.self, forKey: .proxy)
        caCertificates = try given.decodeIfPresent(String.self, forKey: .caCertificates)
        appInfo = try given.decodeIfPresent(String.self, forKey: .appInfo)
        let limits = given.contains(.rateLimits) ? try given.decode(Limits?.self, forKey: .rateLimits) : Limits()
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
        // Swift cannot leave an argument out at run time, so that the defaults of these three stand here once more.
        try Celper(
            apiKey: apiKey, baseURL: baseUrl, timeout: .seconds(timeout ?? 120),
            attemptTimeout: .seconds(attemptTimeout ?? 30), maxRetries: maxRetries ?? 2, rateLimits: rateLimits,
            proxy: proxy, caCertificates: caCertificates, appInfo: appInfo)
    }
}

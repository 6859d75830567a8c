import Foundation

/// The sandbox did not start or refused a control request; the description says why.
public struct SandboxError: Error, LocalizedError, CustomStringConvertible, Sendable {
    /// Why.
    public let description: String
    /// The same, for `localizedDescription`.
    public var errorDescription: String? { description }

    init(_ description: String) { self.description = description }
}

extension Sandbox {
    /// A candidate in one job position.
    public struct Candidate: Sendable, Hashable, Decodable {
        public let id: String
        public let jobPositionId: String
        public let status: String
        public let analysisViewed: Bool
        /// Nil if it is null in responses, or absent from them.
        public let interviewScore: Double?

        enum CodingKeys: String, CodingKey {
            case id = "candidateId"
            case jobPositionId, status, analysisViewed, interviewScore
        }
    }

    /// A request that the sandbox received.
    public struct Request: Sendable, Hashable, Decodable {
        public let method: String
        public let path: String
        public let query: String?
        public let candidateId: String?
        /// Names in lower case; repeated headers are joined with `, `.
        public let headers: [String: String]
        /// At most its first 64 KiB.
        public let body: String?
        /// On the sandbox's clock.
        public let receivedAt: Date
        /// The HTTP status of the response, nil if none was sent.
        public let answered: Int?
        /// The kind of the fault that was applied to it.
        public let fault: String?
        /// Whether it changed a candidate.
        public let acted: Bool
        /// Whether it got the stored response of its idempotency key.
        public let replayed: Bool
        /// Whether the client disconnected before the response was complete.
        public let clientClosed: Bool

        enum CodingKeys: String, CodingKey {
            case method, path, query, candidateId, body, receivedAt, answered, fault, acted, replayed, clientClosed
            case headers = "header"
        }
    }

    /// An e-mail that the service would have sent.
    public struct Mail: Sendable, Hashable, Decodable {
        public let candidateId: String
        public let jobPositionId: String
        public let sessionId: String
        public let interviewLink: String
        public let subject: String
        public let body: String
        /// Whether the request had no subject, so that this is the default one.
        public let defaultSubject: Bool
        /// Whether the request had no text, so that this is the default one.
        public let defaultBody: Bool
        /// On the sandbox's clock.
        public let queuedAt: Date
    }

    /// An attempt at delivering a webhook.
    public struct Delivery: Sendable, Hashable, Decodable {
        public let candidateId: String
        /// The candidate's status in the event.
        public let status: String
        /// 1 for the first.
        public let attempt: Int
        public let body: String
        /// The HTTP status of the response, nil if there was none.
        public let answered: Int?
        /// Why there was no response.
        public let error: String?
        /// The fault that was applied to the delivery.
        public let fault: DeliveryFault?
        /// On the sandbox's clock.
        public let endedAt: Date
    }

    /// What goes wrong with a delivery.
    public enum DeliveryFault: Sendable, Hashable, Decodable {
        /// The event arrives later, so that the next ones overtake it.
        case late(Duration)
        /// The event arrives twice.
        case twice
        /// Its signature is of another secret.
        case wrongSignature

        /// From the control endpoint's JSON.
        public init(from decoder: any Decoder) throws {
            let values = try [String: JSON](from: decoder)
            switch (values["kind"], values["seconds"]) {
            case ("twice", _): self = .twice
            case (_, .number(let seconds)): self = .late(.seconds(seconds))
            default: self = .wrongSignature
            }
        }

        var fields: [String: JSON] {
            switch self {
            case .late(let by): ["kind": "late", "seconds": JSON(by)]
            case .twice: ["kind": "twice"]
            case .wrongSignature: ["kind": "wrong_signature"]
            }
        }
    }

    /// An operation of the API.
    public enum Operation: String, Sendable, CaseIterable { case status, invite, select, reject }

    /// Whether a request with a fault acts.
    public enum Act: String, Sendable, CaseIterable {
        /// The action takes effect before the fault.
        case before
        /// It takes effect after a delay.
        case after
        /// It does not happen.
        case none
    }

    /// What an API key may do.
    public enum Scope: String, Sendable, CaseIterable {
        case readJobs = "read:jobs"
        case readCandidates = "read:candidates"
        case writeCandidates = "write:candidates"
        case actionInvite = "action:invite"
        case actionDecide = "action:decide"
        case manageWebhooks = "manage:webhooks"
    }

    /// The state of an API key.
    public enum KeyState: String, Sendable, CaseIterable {
        case active, revoked, expired
        case creatorLostAccess = "creator_lost_access"
    }

    /// The company's access to the API.
    public enum CompanyState: String, Sendable, CaseIterable {
        case active
        case apiDisabled = "api_disabled"
        case accountSuspended = "account_suspended"
    }

    /// Rate limits; the defaults are the service's.
    public struct Limits: Sendable, Hashable {
        public var reads: Int
        public var actions: Int
        /// Reads and actions together.
        public var total: Int
        public var window: Duration

        /// The service's limits, but for those that are given.
        public init(reads: Int = 40, actions: Int = 30, total: Int = 60, window: Duration = .seconds(60)) {
            self.reads = reads
            self.actions = actions
            self.total = total
            self.window = window
        }
    }
}

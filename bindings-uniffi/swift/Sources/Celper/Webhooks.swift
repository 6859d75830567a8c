import Foundation
internal import CelperGenerated

/// Webhooks: verify that a request came from the service, and read the event in it.
///
/// ```swift
/// let event = try Webhooks.unwrap(rawBody, headers: headers, secret: secret)
/// if let change = event.statusChange { print("\(change.candidateId) is now \(change.status)") }
/// ```
///
/// The body is the bytes of the request as they arrived: the signature is of those, and a body that was parsed and serialized
/// again has others. The headers are pairs of a name, in any case, and a value: a dictionary, or in Vapor
/// `request.headers.map { ($0.name, $0.value) }`.
///
/// The service sends an event again when it got no 2xx in time, and events can arrive out of order. Skip an event whose
/// ``WebhookEvent/dedupeKey`` was handled before, and read the candidate's status where the order matters.
///
/// Webhooks go to servers: in the package's XCFramework for iOS these functions throw an error of the kind
/// ``CelperError/Kind/invalidArgument``.
public enum Webhooks {
    /// Verifies a webhook and returns its event.
    ///
    /// - Parameters:
    ///   - rawBody: The body as it arrived.
    ///   - headers: The request's headers.
    ///   - secrets: The webhook's secret; while it is being changed, the new one and the old one.
    ///   - tolerance: How far the timestamp may be from now. `nil` turns the check off, and lets anybody who has seen a webhook
    ///     send it again.
    ///   - now: The time to compare the timestamp with, for tests.
    /// - Throws: A ``CelperError`` of the kind ``CelperError/Kind/webhook``, with a ``CelperError/webhookReason``, if the webhook cannot
    ///   be trusted or read: respond with 400. One of the kind ``CelperError/Kind/invalidArgument`` if the secrets or the tolerance
    ///   cannot be used.
    public static func unwrap<Headers: Sequence<(key: String, value: String)>>(
        _ rawBody: Data, headers: Headers, secrets: [String], tolerance: Duration? = .seconds(300), now: Date = Date()
    ) throws -> WebhookEvent {
        let outcome = receive(rawBody, headers: headers, secrets: secrets, tolerance: tolerance, now: now, unwrap: true)
        switch outcome {
        case .unwrapped(let name, let webhookId, let companyId, let timestamp, let data, let dedupeKey, let change):
            return WebhookEvent(
                type: name, webhookId: webhookId, companyId: companyId, timestamp: timestamp.date, data: data,
                dedupeKey: dedupeKey, statusChange: StatusChange(change))
        case .done: throw wrongOutput("webhook")
        case .refused(let failure, let reason, let clockDifference):
            throw CelperError(failure, webhookReason: reason, clockDifference: clockDifference)
        }
    }

    /// Verifies a webhook with one secret and returns its event.
    public static func unwrap<Headers: Sequence<(key: String, value: String)>>(
        _ rawBody: Data, headers: Headers, secret: String, tolerance: Duration? = .seconds(300), now: Date = Date()
    ) throws -> WebhookEvent {
        try unwrap(rawBody, headers: headers, secrets: [secret], tolerance: tolerance, now: now)
    }

    /// Verifies a webhook without reading its body. Arguments and errors are those of `unwrap`.
    public static func verify<Headers: Sequence<(key: String, value: String)>>(
        _ rawBody: Data, headers: Headers, secrets: [String], tolerance: Duration? = .seconds(300), now: Date = Date()
    ) throws {
        let outcome = receive(
            rawBody, headers: headers, secrets: secrets, tolerance: tolerance, now: now, unwrap: false)
        if case .refused(let failure, let reason, let clockDifference) = outcome {
            throw CelperError(failure, webhookReason: reason, clockDifference: clockDifference)
        }
    }

    /// Signs a body as the service does, and returns the two headers: for tests of a program that receives webhooks.
    public static func sign(_ body: Data, secret: String, timestamp: Date = Date()) throws -> [String: String] {
        switch signWebhook(body: body, secret: secret, timestamp: timestamp.timeIntervalSince1970) {
        case .done(let headers):
            let pairs = stride(from: 0, to: headers.count - 1, by: 2).map { (headers[$0], headers[$0 + 1]) }
            return Dictionary(uniqueKeysWithValues: pairs)
        case .unwrapped: throw wrongOutput("webhook")
        case .refused(let failure, let reason, let clockDifference):
            throw CelperError(failure, webhookReason: reason, clockDifference: clockDifference)
        }
    }

    private static func receive<Headers: Sequence<(key: String, value: String)>>(
        _ rawBody: Data, headers: Headers, secrets: [String], tolerance: Duration?, now: Date, unwrap: Bool
    ) -> WebhookOutcome {
        func values(_ name: String) -> [String] { headers.filter { $0.key.lowercased() == name }.map(\.value) }
        let seconds = tolerance?.inSeconds
        let input = WebhookInput(
            body: rawBody, signatures: values("x-celper-signature"), timestamps: values("x-celper-timestamp"),
            secrets: secrets, tolerance: seconds, now: now.timeIntervalSince1970, unwrap: unwrap)
        return receiveWebhook(input: input)
    }
}

/// An event, from ``Webhooks``.
public struct WebhookEvent: Hashable, Sendable {
    /// The event's name: `candidate_status_changed`, `analysis_ready`, `cv_analysis_complete`, `bulk_import_complete`, or one that this
    /// version of the SDK does not know.
    public let type: String
    /// The id of the webhook: of the subscription, not of this event.
    public let webhookId: String
    /// The company's id.
    public let companyId: String
    /// When it happened, by the service's clock.
    public let timestamp: Date
    /// The event's `data` as the service sent it: a JSON text, with what this version of the SDK does not know.
    public let data: String
    /// The same for each delivery of the event, and different for all others: keep it, and skip an event whose key you have. The
    /// SHA-256 of the body, in hexadecimal digits.
    public let dedupeKey: String
    /// The data of `candidate_status_changed`; nil for other events.
    public let statusChange: StatusChange?
}

/// The data of `candidate_status_changed`.
public struct StatusChange: Hashable, Sendable {
    /// The candidate's id.
    public let candidateId: String
    /// The job position's id.
    public let jobPositionId: String
    /// The status that the event reports; by the time it arrives, there may be another.
    public let status: CandidateStatus
    /// The status before; nil if the service names none.
    public let previousStatus: CandidateStatus?

    init?(_ fields: [String]) {
        guard fields.count >= 3 else { return nil }
        candidateId = fields[0]
        jobPositionId = fields[1]
        status = CandidateStatus(rawValue: fields[2])
        previousStatus = fields.count > 3 ? CandidateStatus(rawValue: fields[3]) : nil
    }
}

import Foundation
import Testing

@testable import Celper
@testable import CelperGenerated

/// Webhooks: what a program passes, and what it gets.
@Suite struct WebhookTests {
    let secret = "whsec_1"
    let now = Date(timeIntervalSince1970: 1_768_473_000)
    static let data =
        #"{"candidateId": "cand_1", "jobPositionId": "pos_1", "status": "interviewed", "previousStatus": "on_hold"}"#

    func body(_ event: String = "candidate_status_changed", data: String = Self.data) -> Data {
        let head = #""webhookId": "wh_1", "companyId": "comp_1", "timestamp": "2026-01-15T10:30:00.250Z""#
        return Data(#"{"event": "\#(event)", \#(head), "data": \#(data)}"#.utf8)
    }

    func refused(_ call: () throws -> Void) throws -> CelperError {
        var thrown: CelperError?
        do { try call() } catch let error as CelperError { thrown = error }
        let error = try #require(thrown)
        #expect(!"\(error)".contains(secret))
        return error
    }

    @Test func anEventIsTypedAndAValue() throws {
        let signed = try Webhooks.sign(body(), secret: secret, timestamp: now)
        let event = try Webhooks.unwrap(body(), headers: signed, secrets: ["new", secret], now: now)
        let change = try #require(event.statusChange)
        #expect(change.candidateId == "cand_1" && change.jobPositionId == "pos_1")
        #expect(change.status == .interviewed && change.previousStatus == .unknown("on_hold"))
        #expect(event.webhookId == "wh_1" && event.companyId == "comp_1" && event.data == Self.data)
        #expect(event.timestamp == Date(timeIntervalSince1970: 1_768_473_000.25))
        #expect(event.dedupeKey.count == 64)
        let again = try Webhooks.sign(body(), secret: secret)
        #expect(try Webhooks.unwrap(body(), headers: again, secret: secret) == event)
        let first = body(data: Self.data.replacing(#", "previousStatus": "on_hold""#, with: ""))
        let unknown = try Webhooks.unwrap(first, headers: Webhooks.sign(first, secret: secret), secret: secret)
        #expect(unknown.statusChange?.previousStatus == nil && unknown.statusChange != nil)
    }

    @Test func everyEventComesThrough() throws {
        for name in webhookNames()[1] + ["interview_moved"] {
            let event = try Webhooks.unwrap(
                body(name), headers: Webhooks.sign(body(name), secret: secret), secret: secret)
            #expect(event.type == name)
            #expect((event.statusChange != nil) == (name == "candidate_status_changed"))
        }
    }

    @Test func headersHaveNamesInAnyCase() throws {
        let signed = try Webhooks.sign(body(), secret: secret)
        let pairs = signed.map { (key: $0.key.uppercased(), value: $0.value) }
        try Webhooks.verify(body(), headers: pairs, secrets: [secret])
        let wrong = try refused { try Webhooks.verify(body(), headers: pairs, secrets: ["other"]) }
        #expect(wrong.webhookReason == "no_match")
        let missing = try refused { try Webhooks.verify(body(), headers: [:], secrets: [secret]) }
        #expect(missing.webhookReason == "missing_header")
    }

    @Test func anErrorTellsTheReason() throws {
        let signed = try Webhooks.sign(body(), secret: secret, timestamp: now)
        let stale = try refused {
            _ = try Webhooks.unwrap(body(), headers: signed, secret: secret, now: now.addingTimeInterval(412))
        }
        #expect(stale.kind == .webhook && stale.operation == "webhook")
        #expect(stale.webhookReason == "stale" && stale.clockDifference == 412)
        #expect(stale.description.hasPrefix("webhook: the timestamp is 412 s old, more than 300 s: "))
        try Webhooks.verify(body(), headers: signed, secrets: [secret], tolerance: nil)
        for secrets in [[], [""], [secret + "\n"]] {
            let fault = try refused { try Webhooks.verify(body(), headers: signed, secrets: secrets) }
            #expect(fault.kind == .invalidArgument && fault.webhookReason == nil)
        }
    }
}

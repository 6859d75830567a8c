internal import CelperGenerated
import Foundation

/// What a call did and when: its attempts and its waits. Results and errors have it.
///
/// ```swift
/// let state = try await client.getCandidateStatus("cand_xyz789", jobPositionId: "pos_abc123")
/// print(state.record?.description ?? "")  // every attempt and wait on a line of its own
/// ```
///
/// It contains no API key, no ids of candidates and job positions, and nothing of an e-mail.
public struct CallRecord: Sendable, CustomStringConvertible {
    /// What was called: `status`, `invite`, `select` or `reject`.
    public let operation: String
    /// When the call started, by this machine's clock.
    public let startedAt: Date
    /// From the start to the result or error, waits included.
    public let duration: Duration
    /// The HTTP requests, in order.
    public let attempts: [AttemptRecord]
    /// The waits of at least a millisecond, in order.
    public let waits: [WaitRecord]
    private let data: RecordData

    /// A heading, then a line for each attempt and wait.
    public var description: String { recordText(record: data) }

    init(_ data: RecordData) {
        operation = data.operation
        startedAt = data.startedAt.date
        duration = .seconds(data.duration)
        attempts = data.attempts.map {
            AttemptRecord(
                offset: .seconds($0.offset), duration: .seconds($0.duration), status: $0.status.map(Int.init),
                requestId: $0.requestId, errorKind: $0.errorKind.flatMap(CelperError.Kind.init(rawValue:)),
                connection: $0.connection)
        }
        waits = data.waits.map {
            WaitRecord(offset: .seconds($0.offset), duration: .seconds($0.duration), reason: $0.reason)
        }
        self.data = data
    }
}

/// One HTTP request of a call.
public struct AttemptRecord: Hashable, Sendable {
    /// From the call's start to the attempt's.
    public let offset: Duration
    /// From the attempt's start to the end of its response, or to its failure.
    public let duration: Duration
    /// The HTTP status; nil if there was no response.
    public let status: Int?
    /// The server's request id.
    public let requestId: String?
    /// Why the attempt failed; nil if it did not.
    public let errorKind: CelperError.Kind?
    /// Which connection it used: a `new` or a `pooled` one; nil if that is not known.
    public let connection: String?
}

/// A wait of a call.
public struct WaitRecord: Hashable, Sendable {
    /// From the call's start to the wait's.
    public let offset: Duration
    /// How long it waited.
    public let duration: Duration
    /// What for: `rate_limit`, `retry`, `key_provider` or `connection`.
    public let reason: String
}

/// A call, a request of a batch, or a read of a wait or a watch that has ended, for the option `onEvent` of a client.
public struct CallEvent: Sendable {
    /// What was called: `status`, `invite`, `select` or `reject`.
    public let operation: String
    /// Why it failed; nil if it succeeded.
    public let error: CelperError?
    let lazyRecord: LazyRecord

    /// What the call did; nil if it was refused before it began, and for a wait that has timed out: its reads have events of their
    /// own.
    public var record: CallRecord? { lazyRecord.value }

    init(operation: String, _ result: Result<CandidateResult, CelperError>) {
        self.operation = operation
        switch result {
        case .success(let result):
            error = nil
            lazyRecord = result.lazyRecord
        case .failure(let failure):
            error = failure
            lazyRecord = failure.lazyRecord
        }
    }

    /// A read of a wait or a watch.
    init(_ record: Data, _ error: CelperError?) {
        operation = "status"
        self.error = error
        lazyRecord = LazyRecord(bytes: record)
    }
}

/// Is told of calls that have ended.
///
/// ```swift
/// let client = try Celper(onEvent: { event in print(event.operation, event.error?.description ?? "ok") })
/// ```
///
/// It is called in the caller's task, before the result is returned or the error thrown.
public typealias EventHandler = @Sendable (CallEvent) -> Void

/// A record as it came, which is read when somebody asks for it: most never are. All are equal, so that results are that differ
/// only in their record.
struct LazyRecord: Hashable, Sendable, CustomStringConvertible {
    var bytes: Data?

    var value: CallRecord? {
        guard let bytes else { return nil }
        var reader = (data: bytes, offset: bytes.startIndex)
        return (try? FfiConverterTypeRecordData.read(from: &reader)).map(CallRecord.init)
    }

    var description: String { bytes == nil ? "nil" : "…" }

    static func == (_: LazyRecord, _: LazyRecord) -> Bool { true }

    func hash(into _: inout Hasher) {}
}

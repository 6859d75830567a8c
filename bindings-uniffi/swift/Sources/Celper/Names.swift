/// The package's types as members of ``Celper``, for code that has a type of the same name: `Celper.Invitation` is this package's
/// `Invitation`, whatever else is called so.
///
/// The module and its main class have the same name, so `Celper.` before a name means the class, not the module.
extension Celper {
    /// Same as ``AttemptRecord``.
    public typealias AttemptRecord = CelperTypes.AttemptRecordType
    /// Same as ``Batch``.
    public typealias Batch = CelperTypes.BatchType
    /// Same as ``BatchItem``.
    public typealias BatchItem = CelperTypes.BatchItemType
    /// Same as ``BatchProgress``.
    public typealias BatchProgress = CelperTypes.BatchProgressType
    /// Same as ``CallEvent``.
    public typealias CallEvent = CelperTypes.CallEventType
    /// Same as ``CallRecord``.
    public typealias CallRecord = CelperTypes.CallRecordType
    /// Same as ``CandidateActions``.
    public typealias CandidateActions = CelperTypes.CandidateActionsType
    /// Same as ``CandidateRequest``.
    public typealias CandidateRequest = CelperTypes.CandidateRequestType
    /// Same as ``CandidateResult``.
    public typealias CandidateResult = CelperTypes.CandidateResultType
    /// Same as ``CandidateState``.
    public typealias CandidateState = CelperTypes.CandidateStateType
    /// Same as ``CandidateStatus``.
    public typealias CandidateStatus = CelperTypes.CandidateStatusType
    /// Same as ``CelperError``.
    public typealias CelperError = CelperTypes.CelperErrorType
    /// Same as ``Decision``.
    public typealias Decision = CelperTypes.DecisionType
    /// Same as ``EventHandler``.
    public typealias EventHandler = CelperTypes.EventHandlerType
    /// Same as ``InviteRequest``.
    public typealias InviteRequest = CelperTypes.InviteRequestType
    /// Same as ``Invitation``.
    public typealias Invitation = CelperTypes.InvitationType
    /// Same as ``KeyProvider``.
    public typealias KeyProvider = CelperTypes.KeyProviderType
    /// Same as ``RateLimit``.
    public typealias RateLimit = CelperTypes.RateLimitType
    /// Same as ``RateLimits``.
    public typealias RateLimits = CelperTypes.RateLimitsType
    /// Same as ``RejectRequest``.
    public typealias RejectRequest = CelperTypes.RejectRequestType
    /// Same as ``SelectRequest``.
    public typealias SelectRequest = CelperTypes.SelectRequestType
    /// Same as ``StatusRequest``.
    public typealias StatusRequest = CelperTypes.StatusRequestType
    /// Same as ``StatusChange``.
    public typealias StatusChange = CelperTypes.StatusChangeType
    /// Same as ``WaitRecord``.
    public typealias WaitRecord = CelperTypes.WaitRecordType
    /// Same as ``Watch``.
    public typealias Watch = CelperTypes.WatchType
    /// Same as ``WatchItem``.
    public typealias WatchItem = CelperTypes.WatchItemType
    /// Same as ``WebhookEvent``.
    public typealias WebhookEvent = CelperTypes.WebhookEventType
    /// Same as ``Webhooks``.
    public typealias Webhooks = CelperTypes.WebhooksType
}

/// The types under another name, because a member of ``Celper`` cannot refer to a type of the same name. Use
/// `Celper.Invitation` and so on.
public enum CelperTypes {
    /// Same as ``AttemptRecord``.
    public typealias AttemptRecordType = AttemptRecord
    /// Same as ``Batch``.
    public typealias BatchType = Batch
    /// Same as ``BatchItem``.
    public typealias BatchItemType = BatchItem
    /// Same as ``BatchProgress``.
    public typealias BatchProgressType = BatchProgress
    /// Same as ``CallEvent``.
    public typealias CallEventType = CallEvent
    /// Same as ``CallRecord``.
    public typealias CallRecordType = CallRecord
    /// Same as ``CandidateActions``.
    public typealias CandidateActionsType = CandidateActions
    /// Same as ``CandidateRequest``.
    public typealias CandidateRequestType = CandidateRequest
    /// Same as ``CandidateResult``.
    public typealias CandidateResultType = CandidateResult
    /// Same as ``CandidateState``.
    public typealias CandidateStateType = CandidateState
    /// Same as ``CandidateStatus``.
    public typealias CandidateStatusType = CandidateStatus
    /// Same as ``CelperError``.
    public typealias CelperErrorType = CelperError
    /// Same as ``Decision``.
    public typealias DecisionType = Decision
    /// Same as ``EventHandler``.
    public typealias EventHandlerType = EventHandler
    /// Same as ``InviteRequest``.
    public typealias InviteRequestType = InviteRequest
    /// Same as ``Invitation``.
    public typealias InvitationType = Invitation
    /// Same as ``KeyProvider``.
    public typealias KeyProviderType = KeyProvider
    /// Same as ``RateLimit``.
    public typealias RateLimitType = RateLimit
    /// Same as ``RateLimits``.
    public typealias RateLimitsType = RateLimits
    /// Same as ``RejectRequest``.
    public typealias RejectRequestType = RejectRequest
    /// Same as ``SelectRequest``.
    public typealias SelectRequestType = SelectRequest
    /// Same as ``StatusRequest``.
    public typealias StatusRequestType = StatusRequest
    /// Same as ``StatusChange``.
    public typealias StatusChangeType = StatusChange
    /// Same as ``WaitRecord``.
    public typealias WaitRecordType = WaitRecord
    /// Same as ``Watch``.
    public typealias WatchType = Watch
    /// Same as ``WatchItem``.
    public typealias WatchItemType = WatchItem
    /// Same as ``WebhookEvent``.
    public typealias WebhookEventType = WebhookEvent
    /// Same as ``Webhooks``.
    public typealias WebhooksType = Webhooks
}

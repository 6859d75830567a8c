/// <reference lib="esnext.disposable" preserve="true" />

/**
 * Client for the Celper AI Candidate Actions API: read a candidate's status; invite, select, reject.
 *
 * ```ts
 * import { Celper } from 'celper';
 *
 * const client = new Celper(); // CELPER_API_KEY, CELPER_BASE_URL
 * const state = await client.getCandidateStatus('cand_xyz789', { jobPositionId: 'pos_abc123' });
 * ```
 *
 * @packageDocumentation
 */

export type {
  Batch,
  BatchItem,
  BatchOptions,
  BatchProgress,
  CandidateRequest,
  InviteRequest,
  RejectRequest,
  SelectRequest,
  StatusRequest,
} from './batch';
export type {
  ActionOptions,
  CallOptions,
  CandidateActions,
  CelperOptions,
  InviteOptions,
  KeyProvider,
  RateLimits,
  TelemetryOptions,
} from './client';
export { Celper } from './client';
export type { ErrorFields, ErrorKind, OperationName, WebhookErrorFields, WebhookErrorReason } from './errors';
export {
  AnalysisNotViewedError,
  ApiError,
  AuthenticationError,
  CelperError,
  ConflictError,
  ConnectionFailedError,
  IdempotencyConflictError,
  InternalError,
  InvalidArgumentError,
  InvalidRequestError,
  InvalidStatusError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  RequestTimeoutError,
  ServerError,
  TransportError,
  UnexpectedResponseError,
  WebhookError,
} from './errors';
export type { CallEvent, LogRecord } from './events';
export type {
  CandidateState,
  Decision,
  Invitation,
  KnownCandidateStatus,
  RateLimit,
  ResponseMeta,
} from './models';
export { CandidateStatus, isKnownStatus } from './models';
export type { AttemptRecord, CallRecord, WaitReason, WaitRecord } from './record';
export type { WaitOptions, Watch, WatchItem, WatchOptions } from './watch';
export * as webhooks from './webhooks';

/// <reference lib="esnext.disposable" preserve="true" />

/**
 * A stateful local stand-in for the Celper AI Candidate Actions API, for your own tests.
 *
 * ```ts
 * import { startSandbox } from 'celper-sandbox';
 *
 * const sandbox = await startSandbox();
 * const candidate = await sandbox.createCandidate();
 * const client = new Celper(sandbox.clientOptions);
 * await client.inviteCandidate(candidate.id, { jobPositionId: candidate.jobPositionId });
 * console.log(await sandbox.outbox());
 * await sandbox.stop();
 * ```
 *
 * @packageDocumentation
 */

export type { CandidateChange, CandidateDescription, FaultOptions, Faults } from './faults';
export type { Candidate, Delivery, DeliveryFaultKind, Mail, RecordedRequest } from './models';
export { findProgram } from './program';
export type { ApiKeyOptions, ClientOptions, Limits, SandboxOptions } from './sandbox';
export { Sandbox, SandboxError, startSandbox } from './sandbox';

// The responses to the harness: results, errors and clients as JSON.

import { inspect } from 'node:util';
import { CelperError, isKnownStatus } from '../../../../bindings-node/dist/index.mjs';
import { strings } from './strings.mjs';

export function opened(client) {
  return { opened: { strings: strings(client) } };
}

export function resolved(result) {
  const known = 'status' in result ? { status_known: isKnownStatus(result.status) } : {};
  // Absent fields are undefined here, and null in the other languages.
  const answered = { request_id: null, rate_limit: null, ...plain(result) };
  return { result: { ...answered, ...known, strings: strings(result) } };
}

export function rejected(error, signal) {
  if (signal.aborted && error === signal.reason) return { cancelled: error.name };
  if (!(error instanceof CelperError)) return { crash: inspect(error) };
  const classes = [];
  for (let type = Object.getPrototypeOf(error); type !== null; type = Object.getPrototypeOf(type)) {
    classes.push(type.constructor.name);
  }
  if (error.name !== classes[0])
    return { crash: `error.name is ${error.name}, but the class is ${classes[0]}: ${error}` };
  return {
    error: {
      kind: error.kind,
      message: error.detail,
      operation: error.operation,
      status: error.status ?? null,
      code: error.code ?? null,
      request_id: error.requestId ?? null,
      retry_after: error.retryAfter ?? null,
      attempts: error.attempts,
      rate_limit: plain(error.rateLimit ?? null),
      idempotency_key: error.idempotencyKey ?? null,
      // Errors of reads do not have it: `if (error.outcomeUnknown)` is false for them.
      outcome_unknown: error.outcomeUnknown ?? false,
      last_state: plain(error.lastState ?? null),
      class: error.name,
      classes,
      text: String(error),
      strings: strings(error),
    },
  };
}

/** The fields of a result in snake case, with times in Unix milliseconds. */
export function plain(value) {
  if (value instanceof Date) return value.getTime();
  if (typeof value !== 'object' || value === null) return value;
  const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [snake(name), plain(field)]));
}

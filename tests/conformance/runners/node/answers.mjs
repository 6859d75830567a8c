// What came of a request, as the judge reads it.

import { inspect } from 'node:util';
import { CelperError, isKnownStatus } from '../../../../bindings-node/dist/index.mjs';
import { typeOf } from './face.mjs';
import { strings } from './strings.mjs';

export function opened(client) {
  return { opened: { strings: strings(client) } };
}

export function resolved(operation, result) {
  const known = 'status' in result ? { status_known: isKnownStatus(result.status) } : {};
  // Results are plain objects here, and only their types have names.
  return { result: { type: typeOf(operation), ...plain(result), ...known, strings: strings(result) } };
}

export function rejected(error, signal) {
  if (signal.aborted && error === signal.reason) return { cancelled: error.name };
  if (!(error instanceof CelperError)) return { crash: inspect(error) };
  const classes = [];
  for (let type = Object.getPrototypeOf(error); type !== null; type = Object.getPrototypeOf(type)) {
    classes.push(type.constructor.name);
  }
  if (error.name !== classes[0]) return { crash: `the name is ${error.name}, the class ${classes[0]}: ${error}` };
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
      idempotency_key: error.idempotencyKey ?? null,
      // Where there is none to read, a caller's `if (error.outcomeUnknown)` reads it as false.
      outcome_unknown: error.outcomeUnknown ?? false,
      class: error.name,
      classes,
      text: String(error),
      strings: strings(error),
    },
  };
}

/** A result by the names that Python gives its fields, with times as numbers. */
function plain(value) {
  if (value instanceof Date) return value.getTime();
  if (typeof value !== 'object' || value === null) return value;
  const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [snake(name), plain(field)]));
}

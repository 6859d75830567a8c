// The operations in `api-surface.json`.

import { readFileSync } from 'node:fs';

const { operations, methods } = JSON.parse(readFileSync(new URL('../../api-surface.json', import.meta.url), 'utf8'));

/** The client's method for an operation. */
export function methodOf(operation) {
  return method(operation).replace(/_./g, ([, letter]) => letter.toUpperCase());
}

/** The type of an operation's result. */
export function typeOf(operation) {
  return methods[method(operation)].returns;
}

function method(operation) {
  if (!Object.hasOwn(operations, operation)) throw new Error(`there is no operation ${operation}`);
  return operations[operation];
}

// The operations as `face.json` has them.

import { readFileSync } from 'node:fs';

const { operations } = JSON.parse(readFileSync(new URL('../../face.json', import.meta.url), 'utf8'));

/** The client's method for an operation. */
export function methodOf(operation) {
  return row(operation).method.replace(/_./g, ([, letter]) => letter.toUpperCase());
}

/** The type of an operation's result. */
export function typeOf(operation) {
  return row(operation).result;
}

function row(operation) {
  const found = operations.find((row) => row.operation === operation);
  if (!found) throw new Error(`there is no operation ${operation}`);
  return found;
}

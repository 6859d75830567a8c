// All string forms of an object. The harness searches them for secrets.

import { subscribe } from 'node:diagnostics_channel';
import { format, inspect } from 'node:util';

const EVERYTHING = { depth: Infinity, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null };

/** The latest log records, of all calls. */
const log = [];
subscribe('celper:log', (record) => {
  log.push(inspect(record, EVERYTHING));
  if (log.length > 50) log.shift();
});

const FORMS = {
  string: String,
  console: (value) => format(value),
  format: (value) => format('%s %j %o %O', value, value, value, value),
  inspect: (value) => inspect(value, EVERYTHING),
  inspectRaw: (value) => inspect(value, { ...EVERYTHING, customInspect: false }),
  json: (value) => JSON.stringify(value),
  reflection,
  clone: (value) => inspect(structuredClone(value), EVERYTHING),
  stack: (value) => String(value.stack),
  log: () => log.join('\n'),
};

/** The forms by name. A form that throws is replaced by the text of the error. */
export function strings(value) {
  return Object.fromEntries(Object.entries(FORMS).map(([name, form]) => [name, orError(form, value)]));
}

function orError(form, value) {
  try {
    return form(value);
  } catch (error) {
    return String(error);
  }
}

/** Every property of the object and its prototypes, also non-enumerable ones and getters. */
function reflection(value) {
  const lines = [];
  for (let owner = value; owner !== null && owner !== Object.prototype; owner = Object.getPrototypeOf(owner)) {
    for (const name of Reflect.ownKeys(owner)) {
      const shown = orError(() => inspect(Reflect.get(owner, name, value), { depth: Infinity }));
      lines.push(`${String(name)} = ${shown}`);
    }
  }
  return lines.join('\n');
}

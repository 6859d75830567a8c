// All string forms that JavaScript has for a thing, to be searched for secrets.

import { format, inspect } from 'node:util';

const EVERYTHING = { depth: Infinity, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null };

const FORMS = {
  string: String,
  console: (thing) => format(thing),
  format: (thing) => format('%s %j %o %O', thing, thing, thing, thing),
  inspect: (thing) => inspect(thing, EVERYTHING),
  inspectRaw: (thing) => inspect(thing, { ...EVERYTHING, customInspect: false }),
  json: (thing) => JSON.stringify(thing),
  reflection,
  clone: (thing) => inspect(structuredClone(thing), EVERYTHING),
  stack: (thing) => String(thing.stack),
};

/** The forms by name; for one that the thing refuses, the text of the refusal. */
export function strings(thing) {
  return Object.fromEntries(Object.entries(FORMS).map(([name, form]) => [name, orRefusal(form, thing)]));
}

function orRefusal(form, thing) {
  try {
    return form(thing);
  } catch (refusal) {
    return String(refusal);
  }
}

/** Every property of it and of what it inherits from, listed or not, and what a getter gives. */
function reflection(thing) {
  const lines = [];
  for (let owner = thing; owner !== null && owner !== Object.prototype; owner = Object.getPrototypeOf(owner)) {
    for (const name of Reflect.ownKeys(owner)) {
      const value = orRefusal(() => inspect(Reflect.get(owner, name, thing), { depth: Infinity }));
      lines.push(`${String(name)} = ${value}`);
    }
  }
  return lines.join('\n');
}

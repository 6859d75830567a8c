// The public API against the table that all languages share, `tests/conformance/api-surface.json`: the declarations that the
// build writes, and what the built package has at run time.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import * as celper from 'celper';

const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
const require = createRequire(import.meta.url);
const table = JSON.parse(read('../../tests/conformance/api-surface.json'));
const declarations = ['batch', 'client', 'errors', 'models', 'record', 'watch']
  .map((name) => read(`../dist/${name}.d.ts`))
  .join('');

const TYPES = {
  integer: 'number',
  duration: 'number',
  seconds: 'number',
  datetime: 'Date',
  pem: 'string | Uint8Array',
  strings: 'readonly string[]',
  kind: 'ErrorKind',
  operation: 'OperationName',
  nothing: 'void',
};
const TYPED = ['options', 'rate_limits', 'methods', 'properties', 'results', 'error_fields'];

const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

/** One line for each item of a section, of the table or of the package. */
function lines(path, node) {
  if (Array.isArray(node)) return node.map((value) => `${path}: ${value}`);
  if (typeof node !== 'object') return [`${path}: ${node}`];
  return Object.entries(node).flatMap(([name, inner]) => lines(`${path}.${name}`, inner));
}

/** A line of the table as TypeScript has it. Defaults are the core's, whatever is not given is left to it. */
function spelled(line) {
  const [, section, path, type, optional] = /^(\w+)(.*): (\w+)(\??)/.exec(line);
  return `${section}${camel(path)}: ${TYPES[type] ?? type}${optional || / = /.test(line) ? '?' : ''}`;
}

function compare(api) {
  const expected = new Set(
    Object.keys(api).flatMap((section) => {
      const found = lines(section, table[section]);
      return TYPED.includes(section) ? found.map(spelled) : found;
    }),
  );
  for (const difference of Object.keys(table.differences.node)) {
    const [sign, line] = [difference[0], difference.slice(2)];
    if (!(line.split(/[.:]/, 1)[0] in api)) continue;
    assert.equal(expected.has(line), sign === '-', `the difference ${difference} has no effect`);
    if (sign === '-') expected.delete(line);
    else expected.add(line);
  }
  const actual = Object.entries(api).flatMap(([section, node]) => lines(section, node));
  assert.deepEqual(actual.sort(), [...expected].sort());
}

/** The members of a declared interface or class, with those of what it extends. */
function members(name) {
  const [, , parent, body] = new RegExp(
    `export (declare class|interface) ${name}(?: extends (\\w+))? {\\n(.*?)^}`,
    'ms',
  ).exec(declarations);
  const found = parent && parent !== 'Error' ? members(parent) : {};
  for (const [, member, optional, type] of body.matchAll(/^ {4}(?:readonly )?(\w+)(\??): (.*);$/gm)) {
    const types = type.split(' | ').filter((each) => !['undefined', 'null', 'false'].includes(each));
    found[member] = types.join(' | ') + (optional || / \| null/.test(type) ? '?' : '');
  }
  return found;
}

test('the client is as in the table', () => {
  const methods = {};
  const properties = {};
  const body = /export declare class Celper implements CandidateActions {\n(.*?)^}/ms.exec(declarations)[1];
  for (const [, name, given, returns] of body.matchAll(/^ {4}(?!constructor)([\w[\].]+)(?:<.*?>)?\((.*)\): (.*);$/gm)) {
    const parameters = [...given.matchAll(/(\w+)\??: ([\w<>|[\] ]+)/g)];
    const [[, , options] = []] = parameters.filter(([, parameter]) => parameter === 'options');
    const positional = parameters.filter(([, parameter]) => parameter !== 'options');
    methods[name] = {
      ...Object.fromEntries(positional.map(([, key, type]) => [key, type])),
      ...(options && members(options)),
    };
    methods[name].returns = returns.replace(/^Promise<(.*)>$/, '$1');
  }
  for (const [, name, type] of body.matchAll(/^ {4}get (\w+)\(\): (.*);$/gm)) properties[name] = type;
  compare({ options: members('CelperOptions'), rate_limits: members('RateLimits'), methods, properties });

  const key = (name) => (name.startsWith('[Symbol.') ? Symbol[name.slice('[Symbol.'.length, -1)] : name);
  const declared = ['constructor', ...Object.keys(methods), ...Object.keys(properties)].map(key);
  declared.push(Symbol.for('nodejs.util.inspect.custom'));
  assert.deepEqual(new Set(Reflect.ownKeys(celper.Celper.prototype)), new Set(declared));
});

test('the package is as in the table', () => {
  const results = Object.fromEntries(Object.keys(table.results).map((name) => [name, members(name)]));
  const errors = [...declarations.matchAll(/^export declare class (\w+) extends (\w+) {/gm)];
  const parents = Object.fromEntries(
    errors.map(([, name, parent]) => [name, parent]).filter(([, it]) => it !== 'Error'),
  );
  const index = read('../dist/index.d.ts');
  const exported = [...index.matchAll(/^export (?:(?:type )?{(.*)}|\* as (\w+)) from/gm)].flatMap(([, names, module]) =>
    (names ?? module)
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean),
  );
  const kinds = /type ErrorKind = (.*);/
    .exec(declarations)[1]
    .split(' | ')
    .map((kind) => kind.slice(1, -1));
  const { errorOf } = require('../dist/errors.js');
  compare({
    results,
    statuses: Object.values(celper.CandidateStatus),
    error_kinds: Object.fromEntries(kinds.map((kind) => [kind, errorOf({ kind, message: '' }, {}).constructor.name])),
    error_parents: parents,
    error_fields: members('CelperError'),
    names: exported.filter((name) => !(name in results) && !(name in parents)),
  });

  for (const name of Object.keys({ ...results, ...parents }))
    assert.ok(exported.includes(name), `${name} is not exported`);
  for (const [name, parent] of Object.entries(parents)) {
    assert.equal(Object.getPrototypeOf(celper[name]), celper[parent]);
    assert.equal(celper[name].prototype.name, name);
  }
  for (const [status, value] of Object.entries(celper.CandidateStatus)) assert.equal(status.toLowerCase(), value);
  // Both module systems have the values that are declared.
  const declared = exported.filter((name) =>
    new RegExp(`^export (declare (class|const|function)|\\* as) ${name}\\b`, 'm').test(declarations + index),
  );
  const ours = (module) =>
    Object.keys(module)
      .filter((name) => !['default', 'module.exports', '__esModule'].includes(name))
      .sort();
  assert.deepEqual(ours(celper), declared.sort());
  assert.deepEqual(ours(require('celper')), declared);
});

test('JavaScript callers may pass the declared options, and no others', async () => {
  const accepted = async (call) => {
    const refused = await Promise.resolve()
      .then(call)
      .catch((error) => error);
    return /there is no (?:option|field) "\?" \((.*)\)/.exec(refused.message)[1].split(', ').sort();
  };
  const declared = (name) => Object.keys(members(name)).sort();
  const client = new celper.Celper({ apiKey: 'celp_0', baseUrl: 'http://127.0.0.1:9' });
  assert.deepEqual(await accepted(() => new celper.Celper({ '?': 1 })), declared('CelperOptions'));
  assert.deepEqual(await accepted(() => new celper.Celper({ rateLimits: { '?': 1 } })), declared('RateLimits'));
  assert.deepEqual(await accepted(() => client.inviteCandidate('c', { '?': 1 })), declared('InviteOptions'));
  assert.deepEqual(await accepted(() => client.batch([], { '?': 1 }).next()), declared('BatchOptions'));
  const unknown = async () => {
    const { value } = await client.batch([{ operation: 'invite', '?': 1 }]).next();
    throw value.error;
  };
  assert.deepEqual(await accepted(unknown), declared('InviteRequest'));
  client.close();
});

// Webhooks: what a program passes, what it gets, and the receivers of docs/webhooks.md in the frameworks themselves.

import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { runInNewContext } from 'node:vm';
import { CelperError, InvalidArgumentError, WebhookError, webhooks } from 'celper';
import { transform } from 'esbuild';

import { native } from './support/tables.mjs';

const SECRET = 'whsec_1';
const NOW = 1_768_473_000_000;
const EVENT = {
  event: 'candidate_status_changed',
  webhookId: 'wh_1',
  companyId: 'comp_1',
  timestamp: '2026-01-15T10:30:00.250Z',
  data: {
    candidateId: 'cand_1',
    jobPositionId: 'pos_1',
    status: 'interviewed',
    previousStatus: 'on_hold',
    more: ['ü'],
  },
};
// Not as JSON.stringify writes it: its bytes are lost when it is parsed and serialized again.
const BODY = JSON.stringify(EVENT, null, 3);
const hash = createHash('sha256').update(BODY).digest('hex');

// Inside the package's folder, so that `import 'celper'` resolves to it.
const folder = await mkdtemp(fileURLToPath(new URL('examples-', import.meta.url)));
after(() => rm(folder, { recursive: true, force: true }));
process.env.CELPER_WEBHOOK_SECRET = SECRET;
const page = await readFile(new URL('../../docs/webhooks.md', import.meta.url), 'utf8');

function signed(body = BODY, seconds = NOW / 1_000) {
  const signature = createHmac('sha256', SECRET).update(`${seconds}.${body}`).digest('hex');
  return { 'X-Celper-Signature': `sha256=${signature}`, 'X-Celper-Timestamp': `${seconds}` };
}

function refused(call, type = WebhookError) {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof type && error instanceof CelperError, error);
    assert.ok(!JSON.stringify(error).includes(SECRET) && !error.stack.includes(SECRET), error);
    assert.match(error.stack.split('\n')[1], /webhooks\.test\.mjs/);
    return error;
  }
  return assert.fail('accepted');
}

test('an event is typed, frozen and plain data', () => {
  const event = webhooks.unwrap(BODY, signed(), SECRET, { now: NOW });
  const { data, timestamp, ...fields } = event;
  assert.deepEqual(fields, {
    type: 'candidate_status_changed',
    webhookId: 'wh_1',
    companyId: 'comp_1',
    candidateId: 'cand_1',
    jobPositionId: 'pos_1',
    status: 'interviewed',
    previousStatus: 'on_hold',
    dedupeKey: hash,
  });
  assert.deepEqual([data, timestamp], [EVENT.data, new Date(EVENT.timestamp)]);
  assert.ok(Object.isFrozen(event) && Object.isFrozen(data.more));
  for (const name of [...native.webhookEvents(), 'interview_moved']) {
    const body = JSON.stringify({ ...EVENT, event: name, data: { ...EVENT.data, previousStatus: null } });
    const event = webhooks.unwrap(body, webhooks.sign(body, SECRET), [SECRET]);
    assert.equal(event.type, name);
    assert.equal(event.previousStatus, name === EVENT.event ? null : undefined);
  }
});

test('headers of any type', async () => {
  const pairs = Object.entries(signed());
  const lower = Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value]));
  const forms = [
    signed(),
    lower,
    { ...lower, cookie: undefined, 'set-cookie': ['a'] },
    Object.fromEntries(pairs.map(([name, value]) => [name, [value]])),
    Object.assign(Object.create(null), lower),
    new Headers(signed()),
    new Map(pairs),
    pairs,
    pairs.flat(),
  ];
  for (const headers of forms) {
    webhooks.verify(BODY, headers, SECRET, { now: NOW });
    assert.equal(refused(() => webhooks.verify(BODY, headers, 'other', { now: NOW })).reason, 'no_match');
  }
});

test('bodies, secrets and times of any type', () => {
  const buffer = Buffer.from(BODY);
  const foreign = runInNewContext('new Uint8Array(bytes)', { bytes: [...buffer] });
  for (const body of [BODY, buffer, new Uint8Array(buffer), new Uint8Array(buffer).buffer, foreign]) {
    webhooks.verify(body, signed(), ['new', Buffer.from(SECRET)], { now: new Date(NOW), tolerance: 1_000 });
  }
  for (const tolerance of [null, Number.POSITIVE_INFINITY]) webhooks.verify(BODY, signed(), SECRET, { tolerance });
  assert.deepEqual(webhooks.sign(BODY, SECRET, NOW), signed());
  assert.deepEqual(webhooks.sign(buffer, Buffer.from(SECRET), new Date(NOW)), signed());
});

test('faults of the program are no webhook errors', () => {
  const call =
    (secret, options, headers = signed()) =>
    () =>
      webhooks.unwrap(BODY, headers, secret, options);
  for (const [name, fault] of [
    ['secret', call('')],
    ['secret', call([])],
    ['secret', call(undefined)],
    ['secret', call([SECRET, 1])],
    ['secret', call(`${SECRET}\n`)],
    ['tolerance', call(SECRET, { tolerance: 0 })],
    ['tolerance', call(SECRET, { tolerance: '300' })],
    ['now', call(SECRET, { now: new Date(Number.NaN) })],
    ['now', call(SECRET, { now: '2026' })],
    ['tolerances', call(SECRET, { tolerances: 1 })],
    ['headers', call(SECRET, {}, null)],
    ['headers', call(SECRET, {}, [1, 2])],
    ['timestamp', () => webhooks.sign(BODY, SECRET, -1)],
  ]) {
    const error = refused(fault, InvalidArgumentError);
    assert.ok(error.message.startsWith('webhook: ') && error.message.includes(name), error.message);
  }
});

test('an error says the reason', () => {
  const error = refused(() => webhooks.unwrap(BODY, signed(), SECRET, { now: NOW + 412_000 }));
  assert.deepEqual(
    [error.reason, error.clockDifference, error.kind, error.operation, error.outcomeUnknown],
    ['stale', 412, 'webhook', 'webhook', undefined],
  );
  assert.match(error.message, /^webhook: the timestamp is 412 s old, more than 300 s: check this machine's clock/);
  const copy = CelperError.fromJSON(JSON.parse(JSON.stringify(error)));
  assert.deepEqual([copy.reason, copy.clockDifference, copy.message], ['stale', 412, error.message]);
  const again = JSON.stringify(JSON.parse(BODY));
  assert.equal(refused(() => webhooks.unwrap(again, signed(), SECRET, { now: NOW })).reason, 'no_match');
  assert.equal(refused(() => webhooks.unwrap(BODY, {}, SECRET)).reason, 'missing_header');
  for (const [body, what] of [
    [EVENT, 'an object'],
    [undefined, 'undefined'],
    [null, 'null'],
    [Promise.resolve(BODY), 'await'],
  ]) {
    const { reason, message } = refused(() => webhooks.unwrap(body, signed(), SECRET));
    assert.equal(reason, 'parsed_body');
    for (const call of [what, 'express.raw(', 'addContentTypeParser(', 'await request.text()']) {
      assert.ok(message.includes(call), message);
    }
  }
});

test('the declared reasons are those of the core', async () => {
  const declarations = await readFile(new URL('../dist/errors.d.ts', import.meta.url), 'utf8');
  const [, declared] = /type WebhookErrorReason = (.*);/.exec(declarations);
  assert.deepEqual(
    declared.split(' | '),
    native.webhookReasons().map((reason) => `'${reason}'`),
  );
});

test('deeply nested data', () => {
  const data = '['.repeat(100_000) + ']'.repeat(100_000);
  const body = JSON.stringify({ ...EVENT, event: 'later', data: '@' }).replace('"@"', data);
  assert.equal(webhooks.unwrap(body, webhooks.sign(body, SECRET), SECRET).type, 'later');
});

/** The page's receiver for a framework, as a module. */
async function receiver(heading, exported) {
  const [, code] = new RegExp(`^### ${heading}\\n[\\s\\S]*?^\`\`\`ts\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page);
  const { code: script } = await transform(`${code}\nexport { ${exported} };`, { loader: 'ts', format: 'esm' });
  const file = join(folder, `${heading}.mjs`);
  await writeFile(file, script);
  return import(pathToFileURL(file));
}

async function check(post, seen) {
  const type = { 'Content-Type': 'application/json' };
  const respond = async (body, headers) => {
    const response = await post({ method: 'POST', body, headers: { ...type, ...headers } });
    return [response.status, await response.text()];
  };
  // An event comes twice.
  assert.deepEqual(await respond(BODY, webhooks.sign(BODY, SECRET)), [204, '']);
  assert.deepEqual(await respond(BODY, webhooks.sign(BODY, SECRET)), [204, '']);
  assert.deepEqual([...seen], [hash]);
  assert.deepEqual(await respond(`${BODY} `, webhooks.sign(BODY, SECRET)), [400, 'no_match']);
  assert.deepEqual(await respond(BODY, {}), [400, 'missing_header']);
  assert.deepEqual(await respond(BODY, signed()), [400, 'stale']);
}

test('the receiver for Express', async () => {
  const { app, seen } = await receiver('Express', 'app, seen');
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await check((init) => fetch(`http://127.0.0.1:${server.address().port}/webhooks/celper`, init), seen);
  server.close();
});

test('the receiver for Fastify', async () => {
  const { app, seen } = await receiver('Fastify', 'app, seen');
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  await check((init) => fetch(`${url}/webhooks/celper`, init), seen);
  await app.close();
});

test('the route handler for Next.js', async () => {
  const { POST, seen } = await receiver('Next.js', 'seen');
  await check((init) => POST(new Request('http://localhost/webhooks/celper', init)), seen);
});

// Errors: the classes of the core's table, the caller's stack, and readable text without secrets.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import net from 'node:net';
import { test } from 'node:test';
import { inspect } from 'node:util';

import * as celper from 'celper';

import { startSandbox } from './support/sandbox.mjs';
import { native } from './support/tables.mjs';

const require = createRequire(import.meta.url);
const { Celper, CelperError } = celper;
const sandbox = await startSandbox();
const client = new Celper({ ...sandbox.clientOptions, maxRetries: 0 });
const jobPositionId = 'pos_1';

const caught = (promise) =>
  promise.then(
    () => assert.fail('the call resolved'),
    (error) => error,
  );

/** The error of a call that gets this response. */
async function errorFor(status, code, more = {}) {
  const { id: candidateId } = await sandbox.createCandidate();
  const json = { success: false, error: code, message: `Message from the server (${code}).`, requestId: 'req_1' };
  await sandbox.queueFault(candidateId, 'status', { status, json, ...more });
  return caught(client.selectCandidate(candidateId, { jobPositionId, idempotencyKey: 'k' }));
}

test("the error classes are those of the core's table", () => {
  const rows = native.errorKinds();
  for (const { kind, class: name, parent } of rows) {
    const type = celper[name];
    assert.equal(typeof type, 'function', name);
    const error = new type({ kind, message: 'm', operation: 'status' });
    assert.ok(error instanceof celper[parent] && error instanceof CelperError && error instanceof Error, name);
    assert.equal(Object.getPrototypeOf(type).name, parent, name);
    assert.deepEqual([type.name, error.name, error.kind], [name, name, kind]);
  }
  const exported = Object.keys(celper).filter((name) => name.endsWith('Error'));
  const expected = new Set(rows.flatMap(({ class: name, parent }) => [name, parent]));
  assert.deepEqual(exported.sort(), [...expected].sort());
});

test("error responses become the class of their kind, with the server's fields", async () => {
  for (const [status, code, kind] of [
    [400, 'VALIDATION_ERROR', 'invalid_request'],
    [401, 'UNAUTHORIZED', 'authentication'],
    [403, 'SCOPE_INSUFFICIENT', 'permission_denied'],
    [404, 'NOT_FOUND', 'not_found'],
    [409, 'SOMETHING_NEW', 'conflict'],
    [409, 'INVALID_STATUS', 'invalid_status'],
    [409, 'ANALYSIS_NOT_VIEWED', 'analysis_not_viewed'],
    [409, 'IDEMPOTENCY_CONFLICT', 'idempotency_conflict'],
    [418, 'TEAPOT', 'invalid_request'],
    [503, 'DOWN', 'server'],
  ]) {
    const error = await errorFor(status, code);
    const row = native.errorKinds().find((row) => row.kind === kind);
    assert.ok(error instanceof celper[row.class] && error.constructor === celper[row.class], `${code}: ${error}`);
    assert.ok(error.message.includes(`Message from the server (${code})`), error.message);
    const { operation, attempts, idempotencyKey, outcomeUnknown, requestId } = error;
    assert.deepEqual([error.kind, error.status, error.code], [kind, status, code]);
    assert.deepEqual([operation, attempts, idempotencyKey, requestId], ['select', 1, 'k', 'req_1']);
    assert.equal(outcomeUnknown, status >= 500, code);
    assert.equal(error.cause, undefined);
  }
  const limited = await errorFor(429, 'RATE_LIMITED', { headers: { 'Retry-After': 7 } });
  assert.ok(limited instanceof celper.RateLimitError);
  assert.ok(limited.retryAfter >= 7 && limited.retryAfter < 8, `${limited.retryAfter} seconds`);
});

test('responses and connections that fail', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  const invite = () => caught(client.inviteCandidate(candidateId, { jobPositionId }));
  await sandbox.queueFault(candidateId, 'close');
  const closed = await invite();
  assert.ok(closed instanceof celper.ConnectionFailedError && closed instanceof celper.TransportError);
  assert.equal(closed.outcomeUnknown, true);
  assert.match(closed.idempotencyKey, /^[0-9a-f-]{36}$/);
  assert.ok(closed.cause instanceof Error && closed.cause.message.length > 0);
  await sandbox.queueFault(candidateId, 'not_json', { act: 'none' });
  const html = await invite();
  assert.ok(html instanceof celper.UnexpectedResponseError && html.outcomeUnknown, `${html}`);
  await sandbox.queueFault(candidateId, 'not_json');
  assert.match(
    (await caught(client.getCandidateStatus(candidateId, { jobPositionId }))).message,
    /Check that the base URL points at the Celper API/,
  );
  await sandbox.queueFault(candidateId, 'redirect', { location: 'http://127.0.0.1:1/' });
  assert.equal((await invite()).kind, 'unexpected_response');

  const listener = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => listener.once('listening', resolve));
  const { port } = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  const unreachable = new Celper({ apiKey: 'celp_x', baseUrl: `http://127.0.0.1:${port}`, maxRetries: 0 });
  const refused = await caught(unreachable.inviteCandidate('c', { jobPositionId }));
  assert.equal(refused.kind, 'connection');
  assert.equal(refused.outcomeUnknown, false);
  assert.equal(refused.cause.code, 'ECONNREFUSED');
  const proxy = `http://user:hunter2@127.0.0.1:${port}`;
  const proxied = new Celper({ apiKey: 'celp_x', baseUrl: 'https://api.celper.example', proxy, maxRetries: 0 });
  const proxyRefused = await caught(proxied.inviteCandidate('c', { jobPositionId }));
  assert.match(proxyRefused.message, new RegExp(`through the proxy at 127\\.0\\.0\\.1:${port}: Connection refused`));
  assert.equal(proxyRefused.cause.code, 'ECONNREFUSED');
  assert.doesNotMatch(`${proxyRefused.stack} ${proxyRefused.cause.stack}`, /hunter2/);
});

test('instanceof works across ESM, CommonJS and a second copy in one process', async () => {
  const cjs = require('celper');
  assert.equal(cjs.NotFoundError, celper.NotFoundError);
  for (const name of Object.keys(cjs)) assert.equal(celper[name], cjs[name], name);

  const files = Object.keys(require.cache).filter((file) => /[\\/]dist[\\/][\w-]+\.js$/.test(file));
  const original = files.map((file) => [file, require.cache[file]]);
  for (const file of files) delete require.cache[file];
  const copy = require('celper');
  for (const [file, module] of original) require.cache[file] = module;
  assert.notEqual(copy.CelperError, CelperError);

  const other = new copy.Celper(sandbox.clientOptions);
  const error = await caught(other.getCandidateStatus('nobody', { jobPositionId }));
  assert.ok(error instanceof copy.NotFoundError);
  for (const name of ['NotFoundError', 'ApiError', 'CelperError']) assert.ok(error instanceof celper[name], name);
  for (const name of ['ConflictError', 'TransportError', 'ServerError'])
    assert.ok(!(error instanceof celper[name]), name);
  class Mine extends celper.NotFoundError {}
  assert.ok(!(error instanceof Mine));
  assert.ok(new Mine({ kind: 'not_found', message: '', operation: 'status' }) instanceof copy.NotFoundError);
  for (const value of [null, undefined, 1, 'x', {}, new Error('x')]) assert.ok(!(value instanceof CelperError));
});

test("the stack begins at the caller's frame", async () => {
  // Bun cannot leave out this package's frames, and has no frame for a function that returns a call in tail position.
  const { bun } = process.versions;
  const frame = (error) => {
    const frames = error.stack.split('\n').filter((line) => line.startsWith('    at '));
    return bun ? frames.join(' ') : frames[0];
  };
  async function awaits() {
    await client.getCandidateStatus('nobody', { jobPositionId });
  }
  function returns() {
    return client.selectCandidate('nobody', { jobPositionId });
  }
  async function refused() {
    await client.inviteCandidate(1, { jobPositionId });
  }
  async function unreachable() {
    await new Celper({ apiKey: 'celp_x', baseUrl: 'http://127.0.0.1:1', maxRetries: 0 }).rejectCandidate('c', {
      jobPositionId,
    });
  }
  function constructs() {
    return new Celper({ baseUrl: 'nonsense' });
  }
  for (const caller of [awaits, refused, unreachable, ...(bun ? [] : [returns])]) {
    const error = await caught(caller());
    assert.match(frame(error), new RegExp(`at (async )?${caller.name} .*errors\\.test\\.mjs`), error.stack);
    assert.ok(error.stack.startsWith(`${error.name}: ${error.message}\n`), error.stack);
    if (!bun) assert.doesNotMatch(error.stack, /bindings-node[\\/]dist[\\/]|node:internal\/promise/);
  }
  assert.throws(constructs, (error) => frame(error).includes('at constructs '));
  class Own extends Celper {}
  assert.throws(
    function derives() {
      new Own({ baseUrl: 'nonsense' });
    },
    (error) => frame(error).includes('derives'),
  );
});

test('printed forms are readable and contain no secret', async () => {
  const secrets = [sandbox.apiKey, 'SUBJECT', 'BODY', 'hunter2'];
  const clean = (text) => assert.ok(!secrets.some((secret) => text.includes(secret)), text);
  const forms = (value) => [`${value}`, inspect(value, { depth: 9, showHidden: true }), JSON.stringify(value) ?? ''];

  const printed = new Celper({ ...sandbox.clientOptions, proxy: 'http://user:hunter2@127.0.0.1:1', maxRetries: 0 });
  forms(printed).forEach(clean);
  assert.match(
    inspect(printed),
    /^Celper \{\s+baseUrl: 'http:.*maxRetries: 0,.*proxy: 'http:\/\/127\.0\.0\.1:1'\s+\}$/s,
  );
  assert.match(inspect({ client: printed }), /client: Celper \{\s+baseUrl/);

  const { id: candidateId } = await sandbox.createCandidate();
  const json = { success: false, error: 'ECHO', message: `your key is ${sandbox.apiKey}`, requestId: 'req_9' };
  await sandbox.queueFault(candidateId, 'status', { status: 400, json });
  const options = { jobPositionId, emailSubject: 'SUBJECT', emailBody: 'BODY' };
  const echoed = await caught(client.inviteCandidate(candidateId, options));
  forms(echoed).forEach(clean);
  const data = JSON.parse(JSON.stringify(echoed));
  assert.deepEqual(
    [data.name, data.kind, data.status, data.code, data.requestId, data.outcomeUnknown],
    ['InvalidRequestError', 'invalid_request', 400, 'ECHO', 'req_9', false],
  );
  assert.equal(data.message, echoed.message);
  const [head] = inspect(echoed).split('\n');
  assert.equal(head, `InvalidRequestError: ${echoed.message}`);
  assert.match(inspect(echoed), /status: 400,\n\s+code: 'ECHO'/);
  assert.doesNotMatch(inspect(echoed), /undefined/);

  const unreachable = await caught(printed.inviteCandidate(candidateId, options));
  assert.equal(unreachable.kind, 'connection');
  forms(unreachable).forEach(clean);
  const { name, message, code } = unreachable.cause;
  assert.deepEqual(JSON.parse(JSON.stringify(unreachable)).cause, { name, message, code });
  assert.throws(
    () => new Celper({ apiKey: `${sandbox.apiKey}\n` }),
    (error) => forms(error).forEach(clean) ?? true,
  );
  assert.throws(
    () => new Celper({ apiKey: sandbox.apiKey, baseUrl: 'https://u:hunter2@h' }),
    (error) => forms(error).forEach(clean) ?? true,
  );
});

test('programs can make errors, whose kind is that of their class', () => {
  for (const { kind, class: name } of native.errorKinds()) {
    const error = new celper[name]('made by a test');
    assert.deepEqual([error.kind, error.message, error.detail], [kind, 'made by a test', 'made by a test']);
    assert.equal(new celper[name]({ kind: 'internal', message: 'm' }).kind, kind);
  }
  class Mine extends celper.RateLimitError {}
  const cause = new Error('why');
  const mine = new Mine('slow down', { cause });
  assert.deepEqual([mine.kind, mine.operation, mine.attempts, mine.cause], ['rate_limited', 'client', 0, cause]);
  assert.equal(new CelperError({ kind: 'server', message: 'm' }).kind, 'server');
});

test('an error survives JSON and structuredClone through toJSON and fromJSON', async () => {
  const { id: candidateId } = await sandbox.createCandidate();
  await sandbox.queueFault(candidateId, 'status', {
    status: 429,
    headers: { 'Retry-After': 7, 'X-RateLimit-Reset': 4e9 },
  });
  const limited = await caught(client.selectCandidate(candidateId, { jobPositionId, idempotencyKey: 'k' }));
  const refused = new Celper({ apiKey: 'celp_x', baseUrl: 'http://127.0.0.1:1', maxRetries: 0 });
  const unreachable = await caught(refused.inviteCandidate('c', { jobPositionId }));
  for (const error of [limited, unreachable]) {
    for (const copied of [JSON.parse(JSON.stringify(error)), structuredClone(error.toJSON())]) {
      const copy = CelperError.fromJSON(copied);
      assert.equal(copy.constructor, error.constructor);
      assert.deepEqual(copy.toJSON(), error.toJSON());
      assert.deepEqual(copy.rateLimit, error.rateLimit);
    }
  }
  assert.equal(limited.rateLimit.resetAt.getTime(), 4e12);
  assert.equal(CelperError.fromJSON({ kind: 'of tomorrow', message: 'm' }).kind, 'of tomorrow');
});

test('a TLS failure names the host and caCertificates, and has a code', async () => {
  const secure = await startSandbox({ tls: true });
  const { caCertificates, ...options } = secure.clientOptions;
  const error = await caught(new Celper(options).getCandidateStatus('c', { jobPositionId }));
  assert.equal(error.kind, 'connection');
  assert.ok(error.message.includes(`TLS handshake with ${new URL(secure.baseUrl).host} failed`), error.message);
  assert.match(error.message, /caCertificates/);
  assert.equal(error.cause.code, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY');
});

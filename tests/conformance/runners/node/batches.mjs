// Carries out the batches that the harness requests.

import { camelCase, requestOf } from './arguments.mjs';
import { plain, rejected, resolved } from './responses.mjs';
import { strings } from './strings.mjs';

export async function runBatch(client, command, signal) {
  const { requests, source_error: sourceError, leave_after: leaveAfter } = command;
  const options = Object.fromEntries(Object.entries(command.options).map(([name, value]) => [camelCase(name), value]));
  if (command.cancellable) options.signal = signal;
  const rows = requests.map(requestOf);
  const batch = client.batch(sourceError === null ? rows : failing(rows, sourceError), options);
  const items = [];
  let raised = null;
  try {
    for await (const item of batch) {
      items.push(report(item, signal));
      if (items.length === leaveAfter) break;
    }
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    raised = error.message;
  }
  const { done, succeeded, failed, notAttempted, resumed, total } = batch.progress;
  const progress = { done, succeeded, failed, not_attempted: notAttempted, resumed, total: total ?? null };
  const response = { items, batch_id: batch.batchId ?? null, progress, source_error: raised };
  return { batch: { ...response, strings: strings(batch) } };
}

class SourceError extends Error {}

function* failing(rows, message) {
  yield* rows;
  throw new SourceError(message);
}

function report(item, signal) {
  const outcome = item.error ? rejected(item.error, signal) : resolved(item.result);
  const { request, result, error, ...fields } = item;
  return { idempotency_key: null, ...plain(fields), candidate_id: request.candidateId, ...outcome };
}

// The Node runner: carries out the calls that it is told, through the package's public API, and cancels them by their signals.

import { Celper } from '../../../../bindings-node/dist/index.mjs';
import { opened, rejected, resolved } from './answers.mjs';
import { methodOf } from './face.mjs';
import { callArguments, clientOptions } from './given.mjs';
import { requests, write } from './lines.mjs';

const clients = new Map();
const cancellable = new Map();

async function carryOut(request) {
  if (request.do === 'open') {
    const { options } = request;
    const client = options === undefined ? new Celper() : new Celper(clientOptions(options));
    clients.set(request.client, client);
    return opened(client);
  }
  const client = clients.get(request.client);
  if (request.do === 'close') {
    client.close();
    return { closed: true };
  }
  if (request.do !== 'call') throw new Error(`there is nothing to do for ${request.do}`);
  const [candidateId, options] = callArguments(request.arguments);
  if (request.cancellable) options.signal = cancellable.get(request.id).signal;
  return resolved(request.operation, await client[methodOf(request.operation)](candidateId, options));
}

async function answer(request) {
  const controller = new AbortController();
  if (request.cancellable) cancellable.set(request.id, controller);
  const said = await carryOut(request).catch((error) => rejected(error, controller.signal));
  cancellable.delete(request.id);
  write({ id: request.id, ...said });
}

write({ ready: 'node' });
for await (const request of requests()) {
  // Which call that was may have just ended.
  if (request.do === 'cancel') cancellable.get(request.call)?.abort();
  else answer(request);
}
// Without waiting for calls under way, which may take minutes yet: nobody wants their answers any more.
process.exit();

// The Node runner: makes the calls and batches that the harness requests, through the package's public API. A call is cancelled by its
// signal.

import { Celper } from '../../../../bindings-node/dist/index.mjs';
import { callArguments, camelCase, clientOptions } from './arguments.mjs';
import { runBatch } from './batches.mjs';
import { commands, write } from './protocol.mjs';
import { opened, rejected, resolved } from './responses.mjs';

const clients = new Map();
const controllers = new Map();

async function execute(command, signal) {
  if (command.command === 'open') {
    const { options } = command;
    const client = options === undefined ? new Celper() : new Celper(clientOptions(options));
    clients.set(command.client, client);
    return opened(client);
  }
  const client = clients.get(command.client);
  if (command.command === 'close') {
    client.close();
    return { closed: true };
  }
  if (command.command === 'batch') return runBatch(client, command, signal);
  if (command.command !== 'call') throw new Error(`unknown command ${command.command}`);
  const [candidateId, options] = callArguments(command.arguments);
  if (command.cancellable) options.signal = signal;
  return resolved(await client[camelCase(command.method)](candidateId, options));
}

async function respond(command) {
  const controller = new AbortController();
  const { signal } = controller;
  if (command.cancellable) controllers.set(command.id, controller);
  const response = await execute(command, signal).catch((error) => rejected(error, signal));
  controllers.delete(command.id);
  write({ id: command.id, ...response });
}

write({ ready: 'node' });
for await (const command of commands()) {
  // The call can have ended already.
  if (command.command === 'cancel') controllers.get(command.call_id)?.abort();
  else respond(command);
}
// Do not wait for calls in progress: they can take minutes, and nobody reads their responses.
process.exit();

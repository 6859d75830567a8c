/**
 * This environment's connection (the main thread's or a worker's) to the native half, which sends messages to calls and batches.
 *
 * A connection that stayed for good would keep this module forever; test runners load one for each test file. So there is one as
 * long as there are receivers of messages, and the event loop is kept alive as long as one of them is held.
 */

import type { Bridge } from './binding';
import type { LogRecord } from './events';
import { native } from './native';
import type { NativeError, RawItem, RawResult } from './outcomes';

/** A candidate of a watch. */
export type NativeSeen = { candidateId: string; previousStatus?: string; record?: string } & (
  | { ok: RawResult }
  | { error: NativeError }
);

/** A message of the native half, to the receiver with this id. */
export type Message = { id: number } & (
  | { ok: RawResult; record?: string }
  | { error: NativeError; record?: string }
  | { log: LogRecord }
  | { needsKey: number }
  | { started: { batchId?: string } }
  | { wanted: number }
  | { items: RawItem[] }
  | { seen: NativeSeen }
  | { finished: true }
);

/** Takes messages. Must not throw. */
export interface Receiver {
  receive(message: Message): void;
}

export const bridge: Bridge = new native.Bridge();
const receivers = new Map<number, Receiver>();
let holds = 0;
let lastId = 0;
let isReceiving = false;

/** Registers a receiver, and returns its id. No message arrives before this turn of the event loop ends. */
export function open(receiver: Receiver): number {
  do lastId = (lastId + 1) >>> 0;
  while (receivers.has(lastId));
  receivers.set(lastId, receiver);
  return lastId;
}

/** Connects, and keeps the event loop alive until `release`. */
export function hold(): void {
  if (holds === 0) bridge.connect(wake);
  holds += 1;
}

/** Undoes `hold`. */
export function release(): void {
  holds -= 1;
  if (holds === 0) bridge.unrefEventLoop();
}

/** Removes a receiver, which no longer holds the event loop. False: it was not there. */
export function close(id: number): boolean {
  const closed = receivers.delete(id);
  if (closed && receivers.size === 0 && !isReceiving) disconnectSoon();
  return closed;
}

/** Passes on the messages that have arrived. */
function wake(): void {
  const messages = JSON.parse(bridge.drain()) as Message[];
  isReceiving = true;
  // There is no receiver if the call was aborted, or the batch dropped, while its message was in the queue.
  for (const message of messages) receivers.get(message.id)?.receive(message);
  isReceiving = false;
  if (receivers.size > 0) return;
  if (messages.length > 0) disconnectSoon();
  else bridge.disconnect();
}

/**
 * Disconnects the bridge in the next `wake`, unless there are receivers again: a promise's continuation often starts the next call.
 */
function disconnectSoon(): void {
  bridge.unrefEventLoop();
  bridge.wakeAgain();
}

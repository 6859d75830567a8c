/**
 * One abort listener per signal, shared by all calls that use the signal: Node warns of a memory leak from the eleventh listener
 * on, and one signal for many calls is ordinary use.
 */

interface Subscription {
  callbacks: Set<() => void>;
  listener: () => void;
}

const subscriptions = new WeakMap<AbortSignal, Subscription>();

/** Calls `callback` when the signal aborts. The returned function removes the callback. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const subscription = subscriptions.get(signal) ?? subscribe(signal);
  subscription.callbacks.add(callback);
  return () => {
    subscription.callbacks.delete(callback);
    if (subscription.callbacks.size === 0 && subscriptions.get(signal) === subscription) {
      unsubscribe(signal, subscription);
    }
  };
}

function subscribe(signal: AbortSignal): Subscription {
  const callbacks = new Set<() => void>();
  const listener = () => {
    for (const callback of callbacks) callback();
  };
  const subscription = { callbacks, listener };
  signal.addEventListener('abort', listener);
  subscriptions.set(signal, subscription);
  return subscription;
}

function unsubscribe(signal: AbortSignal, { listener }: Subscription): void {
  subscriptions.delete(signal);
  try {
    signal.removeEventListener('abort', listener);
  } catch {
    // A custom signal that throws must not prevent the delivery of other calls' outcomes.
  }
}

/** The reason with which a call rejects. A polyfill's signal can have none; then it is an `AbortError`, as in Node. */
export function abortReason(signal: AbortSignal): unknown {
  let reason: unknown;
  try {
    reason = signal.reason;
  } catch {
    // As above.
  }
  return reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
}

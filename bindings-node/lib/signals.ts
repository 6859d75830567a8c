/**
 * One listener per signal, however many calls share it: Node warns of a leak at the eleventh, and a signal for a whole batch of
 * calls is ordinary use.
 */

interface Watch {
  callbacks: Set<() => void>;
  listener: () => void;
}

const watched = new WeakMap<AbortSignal, Watch>();

/** Calls `callback` when the signal aborts, until the function that this returns is called. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const watch = watched.get(signal) ?? begin(signal);
  watch.callbacks.add(callback);
  return () => {
    watch.callbacks.delete(callback);
    if (watch.callbacks.size === 0 && watched.get(signal) === watch) end(signal, watch);
  };
}

function begin(signal: AbortSignal): Watch {
  const callbacks = new Set<() => void>();
  const listener = () => {
    for (const callback of callbacks) callback();
  };
  const watch = { callbacks, listener };
  signal.addEventListener('abort', watch.listener);
  watched.set(signal, watch);
  return watch;
}

function end(signal: AbortSignal, watch: Watch): void {
  watched.delete(signal);
  try {
    signal.removeEventListener('abort', watch.listener);
  } catch {
    // A signal of somebody's own make must not keep the outcomes of other calls from arriving.
  }
}

// What a request gives, by the names and in the units of this package.

const TIMES = new Set(['timeout', 'attemptTimeout', 'window']);

/** The options of a client. */
export function clientOptions(given) {
  const { rateLimits, ...options } = renamed(given);
  if (rateLimits === undefined) return options;
  return { ...options, rateLimits: rateLimits === null ? false : renamed(rateLimits) };
}

/** The arguments of a call, without its signal. */
export function callArguments(given) {
  const { candidateId, ...options } = renamed(given);
  return [candidateId, options];
}

function renamed(given) {
  return Object.fromEntries(
    Object.entries(given).map(([snake, value]) => {
      const name = snake.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
      return [name, TIMES.has(name) ? value * 1_000 : value];
    }),
  );
}

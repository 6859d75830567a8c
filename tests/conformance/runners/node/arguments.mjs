// Converts the options and arguments of a command to the names and units of this package.

const DURATIONS = new Set(['timeout', 'attemptTimeout', 'window']);

/** The options of a client. */
export function clientOptions(options) {
  const { rateLimits, ...others } = converted(options);
  if (rateLimits === undefined) return others;
  return { ...others, rateLimits: rateLimits === null ? false : converted(rateLimits) };
}

/** The arguments of a call, except its signal. */
export function callArguments(named) {
  const { candidateId, ...options } = converted(named);
  return [candidateId, options];
}

/** A request of a batch. */
export function requestOf({ operation, arguments: named }) {
  return { operation, ...converted(named) };
}

/** The name in camel case. */
export function camelCase(name) {
  return name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
}

function converted(values) {
  return Object.fromEntries(
    Object.entries(values).map(([snake, value]) => {
      const name = camelCase(snake);
      return [name, DURATIONS.has(name) ? value * 1_000 : value];
    }),
  );
}

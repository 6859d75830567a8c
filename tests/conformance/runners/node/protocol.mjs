// Reads commands from standard input and writes responses to standard output, one JSON object per line.

/** All commands, until the input ends. */
export async function* commands() {
  let incomplete = '';
  // node:readline also splits lines at U+2028 and U+2029, which a JSON text can contain.
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    const lines = (incomplete + chunk).split('\n');
    incomplete = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

export function write(response) {
  process.stdout.write(`${JSON.stringify(response)}\n`);
}

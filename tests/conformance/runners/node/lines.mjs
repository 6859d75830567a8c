// Requests from standard input and answers to standard output, a JSON object on a line.

/** Every request, until the input ends. */
export async function* requests() {
  let begun = '';
  // Not by node:readline, to which the characters U+2028 and U+2029 in a text end a line as well.
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    const lines = (begun + chunk).split('\n');
    begun = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

export function write(answer) {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

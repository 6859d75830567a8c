#!/usr/bin/env node
/** `npx celper-sandbox`: runs the program with the arguments, output and signals of this command. */

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { findProgram } from './program';

const EXIT_WITH_PARENT = '--exit-with-parent';
const args = process.argv.slice(2);
const requested = args.includes(EXIT_WITH_PARENT);

// The program exits when its standard input ends, which happens even if this process is killed.
const child = spawn(program(), requested ? args : [...args, EXIT_WITH_PARENT], {
  stdio: ['pipe', 'inherit', 'inherit'],
});
child.stdin.on('error', () => {});
if (requested) {
  process.stdin.on('end', () => child.stdin.end()).resume();
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
child.on('error', ({ message }) => fail(message));
child.on('exit', (code, signal) => process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)));

function program(): string {
  try {
    return findProgram();
  } catch (error) {
    return fail((error as Error).message);
  }
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

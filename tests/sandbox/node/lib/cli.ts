#!/usr/bin/env node
/** `npx celper-sandbox`: runs the program with this command's arguments, output and signals. */

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { findProgram } from './program';

const EXIT_WITH_PARENT = '--exit-with-parent';
const args = process.argv.slice(2);
const asked = args.includes(EXIT_WITH_PARENT);

// The program is to end with this process even when that is killed: its standard input is a pipe from here.
const child = spawn(program(), asked ? args : [...args, EXIT_WITH_PARENT], { stdio: ['pipe', 'inherit', 'inherit'] });
child.stdin.on('error', () => {});
if (asked) {
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

// Programs that end with this one, whatever ends it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MILLISECONDS = 60_000;
const POLL_MILLISECONDS = 50;
const TICK_MICROSECONDS = 10_000;

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => process.exit(1));
}

function run(program, args, stdio) {
  const child = spawn(program, args, { stdio });
  running.add(child);
  const ended = once(child, 'close').finally(() => running.delete(child));
  // Whoever waits for the end hears of it.
  ended.catch(() => {});
  return { child, ended };
}

// Runs a program to its end; what it printed.
export async function output(program, args) {
  const { child, ended } = run(program, args, ['ignore', 'pipe', 'inherit']);
  const chunks = [];
  child.stdout.on('data', (chunk) => chunks.push(chunk));
  const [code] = await ended;
  if (code !== 0) {
    throw new Error(`\`${program}\` ended with exit code ${code}`);
  }
  return Buffer.concat(chunks).toString();
}

// Starts a server and waits until it answers 200 at `health`.
export async function serve(program, args, { health, log }) {
  const file = openSync(log, 'w');
  const { child, ended } = run(program, args, ['ignore', file, file]);
  closeSync(file);
  const patience = Date.now() + PATIENCE_MILLISECONDS;
  while (!(await isHealthy(health))) {
    if (!running.has(child) || Date.now() > patience) {
      throw new Error(`\`${program}\` does not serve:\n${readFileSync(log, 'utf8')}`);
    }
    await sleep(POLL_MILLISECONDS);
  }
  return {
    cpuMicroseconds: () => cpuTicks(child.pid) * TICK_MICROSECONDS,
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

// In user mode and in the kernel: the 14th and 15th field of proc(5), counted here from behind the program's name.
function cpuTicks(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

async function isHealthy(url) {
  const response = await fetch(url).catch(() => undefined);
  await response?.arrayBuffer();
  return response?.status === 200;
}

// A port of loopback that was free just now.
export async function freePort() {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address();
  await once(server.close(), 'close');
  return port;
}

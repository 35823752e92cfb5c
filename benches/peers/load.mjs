// Rounds of `wrk` over servers that take turns.
//
// In: servers, and what they are asked. Out, of each: requests a second, and the server's CPU time for one, as
// `{ median, lowest, highest }`.

import { strictEqual } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { output } from './processes.mjs';

const ROUNDS = 5;
const CONNECTIONS = 32;
const SCRIPT = fileURLToPath(new URL('load.lua', import.meta.url));

export async function measure(servers, questions, seconds) {
  const rounds = Object.fromEntries(servers.map(({ name }) => [name, []]));
  for (const server of servers) {
    const bodies = questions.map((question) => `${JSON.stringify(server.bodyOf(question))}\n`);
    writeFileSync(bodiesOf(server), bodies.join(''));
    await round(server, seconds);
  }
  for (let number = 0; number < ROUNDS; number += 1) {
    for (const server of servers) {
      rounds[server.name].push(await round(server, seconds));
    }
  }
  return Object.fromEntries(Object.entries(rounds).map(([name, all]) => [name, {
    requests_per_second: spread(all.map(({ requests, microseconds }) => (requests / microseconds) * 1e6)),
    cpu_microseconds: spread(all.map(({ requests, cpu }) => cpu / requests)),
  }]));
}

const bodiesOf = ({ folder }) => join(folder, 'bodies');

async function round(server, seconds) {
  const headers = Object.entries(server.headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const load = ['-t', '1', '-c', String(CONNECTIONS), '-d', `${seconds}s`, '-s', SCRIPT];
  const before = server.process.cpuMicroseconds();
  const printed = await output('wrk', [...load, ...headers, server.url, '--', bodiesOf(server)]);
  const { requests, microseconds, failed } = JSON.parse(printed.trimEnd().split('\n').at(-1));
  strictEqual(failed, 0, `${server.name}: ${failed} of ${requests} requests were not answered with 200`);
  return { requests, microseconds, cpu: server.process.cpuMicroseconds() - before };
}

function spread(numbers) {
  const sorted = numbers.toSorted((left, right) => left - right);
  return { median: sorted[Math.floor(sorted.length / 2)], lowest: sorted[0], highest: sorted.at(-1) };
}

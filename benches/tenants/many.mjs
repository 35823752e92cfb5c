// Many small tenants: how long a start takes, what each costs, what they cost idle, and how soon one more is live.
//
//   cargo build --release && node benches/tenants/many.mjs target/release/cedargate [--tenants 2000]
//
// Starts `serve` on an empty folder and makes the tenants over HTTP, each with a user, a team, a resource and a grant.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server, now, option } from './server.mjs';

const tenants = option('tenants', 2_000);
const binary = resolve(process.argv[2]);
const dir = mkdtempSync(join(tmpdir(), 'cedargate-tenants-'));
const name = (number) => `t${String(number).padStart(5, '0')}`;
const make = async (server, tenant) => {
  await server.call('POST', '/tenants', { name: tenant });
  return server.call('POST', `/tenants/${tenant}/batch`, {
    operations: [
      { create: { type: 'user', email: 'jane@acme.com' } },
      { create: { type: 'team', name: 'ml', members: ['jane@acme.com'] } },
      { create: { type: 'resource', resource: 'Model::gpt-4o' } },
      { create: { type: 'collaborator', resource: 'Model::gpt-4o', subject: 'team:ml', role: 'viewer' } },
    ],
  });
};
const ask = (server, tenant, revision) =>
  server.call('POST', `/tenants/${tenant}/authorize`, {
    principal: 'User::"jane@acme.com"', action: 'viewModel', resource: 'Model::"gpt-4o"', at_least: revision,
  });

let server = await Server.start(binary, dir);
try {
  const empty = server.resident();
  let began = now();
  let last;
  for (let number = 0; number < tenants; number++) last = await make(server, name(number));
  console.log(`${tenants} tenants made in ${(now() - began).toFixed(1)} s`);
  began = now();
  const answer = await ask(server, name(tenants - 1), last.revision);
  if (answer.decision !== 'allow') throw new Error(JSON.stringify(answer));
  console.log(`the last of them live after ${(now() - began).toFixed(2)} s`);
  await server.ready();
  console.log(`resident ${server.resident().toFixed(0)} MB, ${(((server.resident() - empty) * 1024) / tenants).toFixed(0)} kB a tenant`);
  await server.stop();

  server = await Server.start(binary, dir, server.key);
  const listening = server.listening;
  const ready = await server.ready();
  console.log(`start: listening after ${listening.toFixed(2)} s, ${tenants} tenants ready after ${ready.toFixed(2)} s`);
  console.log(`resident ${server.resident().toFixed(0)} MB, ${(((server.resident() - empty) * 1024) / tenants).toFixed(0)} kB a tenant`);
  const times = [];
  for (let number = 0; number < 10; number++) {
    began = now();
    const made = await make(server, `new${number}`);
    const answer = await ask(server, `new${number}`, made.revision);
    if (answer.decision !== 'allow') throw new Error(JSON.stringify(answer));
    times.push(now() - began);
  }
  times.sort((left, right) => left - right);
  console.log(`one tenant more, made and live: median ${times[5].toFixed(3)} s, slowest of ten ${times[9].toFixed(3)} s`);
  await sleep(5_000);
  const [cpu, from] = [server.cpu(), now()];
  await sleep(20_000);
  console.log(`idle: ${((100 * (server.cpu() - cpu)) / (now() - from)).toFixed(2)} % of a core`);
} finally {
  await server.stop();
  rmSync(dir, { recursive: true });
}

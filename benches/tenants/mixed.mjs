// Mixed load over many tenants: questions, changes, revocations, tenants that come and go. Is memory flat?
//
//   cargo build --release && node benches/tenants/mixed.mjs target/release/cedargate [--minutes 10] [--tenants 200]
//
// Prints the resident size every half minute, and ends with 1 where it grew by more than a tenth after the third
// minute, or where an answer was wrong.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server, now, option } from './server.mjs';

const [minutes, tenants] = [option('minutes', 10), option('tenants', 200)];
const binary = resolve(process.argv[2]);
const dir = mkdtempSync(join(tmpdir(), 'cedargate-mixed-'));
const server = await Server.start(binary, dir);
const ends = now() + minutes * 60;
const counts = { questions: 0, changes: 0, tenants: 0 };
const [users, models] = [50, 20];
const user = (number) => `u${number}@acme.com`;
const fill = (tenant) =>
  server.call('POST', `/tenants/${tenant}/batch`, {
    operations: [
      ...Array.from({ length: users }, (_, number) => ({ create: { type: 'user', email: user(number) } })),
      ...Array.from({ length: models }, (_, number) => ({ create: { type: 'resource', resource: `Model::m${number}` } })),
    ],
  });
const ask = (tenant, who, model, revision) =>
  server.call('POST', `/tenants/${tenant}/authorize`, {
    principal: `User::"${user(who)}"`, action: 'viewModel', resource: `Model::"m${model}"`, at_least: revision,
  });
const random = (below) => Math.floor(Math.random() * below);

/** Grants and revokes, and asks after each: the answer must have seen it. */
const changes = async (worker) => {
  for (let round = worker; now() < ends; round++) {
    const tenant = `t${(round * 7) % tenants}`;
    const [who, model] = [worker, random(models)];
    const made = await server.call('POST', `/tenants/${tenant}/collaborators`, { resource: `Model::m${model}`, subject: `user:${user(who)}`, role: 'viewer' });
    const allowed = await ask(tenant, who, model, made.revision);
    const removed = await server.call('DELETE', `/tenants/${tenant}/collaborators/${made.id}`);
    const denied = await ask(tenant, who, model, removed.revision);
    if (allowed.decision !== 'allow' || denied.decision !== 'deny') throw new Error(`${tenant}: ${JSON.stringify([allowed, denied])}`);
    counts.changes += 2;
  }
};
const questions = async () => {
  while (now() < ends) {
    await ask(`t${random(tenants)}`, random(users), random(models));
    counts.questions += 1;
  }
};
const comings = async () => {
  for (let number = 0; now() < ends; number++) {
    await server.call('POST', '/tenants', { name: `gone${number}` });
    await fill(`gone${number}`);
    await server.call('DELETE', `/tenants/gone${number}`);
    counts.tenants += 1;
    await sleep(250);
  }
};
let settled;
let failed = false;
const watch = async () => {
  const began = now();
  while (now() < ends) {
    await sleep(30_000);
    const [minute, size] = [(now() - began) / 60, server.resident()];
    console.log(`${minute.toFixed(1)} min: ${size.toFixed(0)} MB, ${counts.questions} questions, ${counts.changes} changes, ${counts.tenants} tenants came and went`);
    if (minute >= 3 && settled === undefined) settled = size;
  }
  const grown = settled === undefined ? 0 : server.resident() / settled - 1;
  failed = grown > 0.1;
  console.log(`from the third minute to the end: ${(100 * grown).toFixed(1)} %`);
};
try {
  for (let number = 0; number < tenants; number++) {
    await server.call('POST', '/tenants', { name: `t${number}` });
    const { revision } = await fill(`t${number}`);
    // A tenant answers from the moment that its first revision is live.
    await ask(`t${number}`, 0, 0, revision);
  }
  console.log(`${tenants} tenants made`);
  await Promise.all([watch(), comings(), ...Array.from({ length: 4 }, (_, worker) => changes(worker)), ...Array.from({ length: 4 }, questions)]);
} finally {
  await server.stop();
  rmSync(dir, { recursive: true });
}
if (failed) process.exit(1);

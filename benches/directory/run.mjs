// A directory of real size through the API's batch door: how fast it fills, what it takes, and how long it is from an
// acknowledged change to the decision that has seen it.
//
//   cargo build --release && node benches/directory/run.mjs target/release/cedargate [--grants 1000000] [--users 100000] [--teams 10000]
//
// Starts `serve` on an empty folder. Times of changes are from the answer to the change to the answer of a decision
// with `at_least` of its revision: p50 and p99 of 200, one after another, at 100,000 grants and at all of them.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const [grants, users, teams] = [option('grants', 1_000_000), option('users', 100_000), option('teams', 10_000)];
const resources = 10_000;
const batch = 10_000;
const binary = resolve(process.argv[2]);
const dir = mkdtempSync(join(tmpdir(), 'cedargate-directory-'));
const environment = { ...process.env, CEDARGATE_HTTP__REQUEST_TIMEOUT_SECONDS: '60', CEDARGATE_HTTP__AT_LEAST_TIMEOUT_MILLISECONDS: '60000' };
const server = spawn(binary, ['serve', '--bind', '127.0.0.1:0', '--json'], { cwd: dir, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
let url;
const listening = new Promise((found) => {
  createInterface({ input: server.stderr }).on('line', (line) => {
    const address = line.match(/listening address=(\S+)/);
    if (address) found(`http://${address[1]}`);
    if (/ (ERROR|WARN) /.test(line)) console.error(line);
  });
});
const key = await new Promise((found) => createInterface({ input: server.stdout }).once('line', (line) => found(JSON.parse(line).admin_key)));
url = await listening;

const call = async (method, path, body) => {
  const response = await fetch(url + path, {
    method,
    headers: { 'x-cedargate-key': key, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
};
const ask = (user, model, revision) =>
  call('POST', '/tenants/acme/authorize', { principal: `User::"${user}"`, action: 'viewModel', resource: `Model::"${model}"`, at_least: revision });
const now = () => Number(process.hrtime.bigint()) / 1e6;
const resident = () => Number(readFileSync(`/proc/${server.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024;
const fill = async (what, count, make) => {
  const started = now();
  let revision;
  for (let from = 0; from < count; from += batch) {
    const operations = [];
    for (let number = from; number < Math.min(from + batch, count); number++) operations.push({ create: make(number) });
    ({ revision } = await call('POST', '/tenants/acme/batch', { operations }));
  }
  const took = (now() - started) / 1000;
  console.log(`${what}: ${count} in ${took.toFixed(1)} s, ${Math.round(count / took)} a second`);
  return revision;
};
const user = (number) => `u${number}@acme.com`;
const grant = (number) => {
  // Every tenth to a team, the others to users; each resource has many.
  const subject = number % 10 === 0 ? `team:t${(number / 10) % teams}` : `user:${user((number * 7) % users)}`;
  return { type: 'collaborator', resource: `Model::m${Math.floor(number / Math.ceil(grants / resources))}`, subject, role: 'viewer' };
};
const latencies = async (label, revision, role) => {
  let started = now();
  await ask(user(0), 'm0', revision);
  console.log(`${label}: the last batch is effective after ${((now() - started) / 1000).toFixed(2)} s`);
  const times = [];
  for (let number = 0; number < 200; number++) {
    const subject = { type: 'collaborator', resource: `Model::m${number}`, subject: `user:${user(number * 13)}`, role };
    const made = await call('POST', '/tenants/acme/collaborators', { resource: subject.resource, subject: subject.subject, role: subject.role });
    started = now();
    const answer = await ask(user(number * 13), `m${number}`, made.revision);
    times.push(now() - started);
    if (answer.decision !== 'allow' || answer.revision < made.revision) throw new Error(JSON.stringify(answer));
  }
  times.sort((left, right) => left - right);
  const at = (part) => times[Math.floor(part * (times.length - 1))].toFixed(1);
  console.log(`${label}: acknowledged → effective p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, slowest ${at(1)} ms`);
  console.log(`${label}: resident ${resident().toFixed(0)} MB, database ${(statSync(join(dir, 'cedargate.db')).size / 1e6).toFixed(0)} MB`);
};

try {
  await call('POST', '/tenants', { name: 'acme' });
  await fill('users', users, (number) => ({ type: 'user', email: user(number) }));
  await fill('teams', teams, (number) => ({ type: 'team', name: `t${number}`, members: Array.from({ length: 10 }, (_, place) => user((number * 10 + place) % users)) }));
  await fill('resources', resources, (number) => ({ type: 'resource', resource: `Model::m${number}` }));
  const first = Math.min(grants, 100_000);
  const revision = await fill('grants', first, grant);
  await latencies(`${first} grants`, revision, 'editor');
  if (grants > first) {
    // Those of the latencies are there already.
    const last = await fill('grants', grants - first, (number) => grant(number + first));
    await latencies(`${grants} grants`, last, 'manager');
  }
} finally {
  server.kill('SIGTERM');
  await new Promise((ended) => server.once('exit', ended));
  rmSync(dir, { recursive: true });
}

// Single changes by many writers at once: how many a second, and is any refused?
//
//   cargo build --release && node benches/directory/writers.mjs target/release/cedargate [--writers 64] [--tenants 16] [--seconds 5]

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Server, now, option } from '../tenants/server.mjs';

const [writers, tenants, seconds] = [option('writers', 64), option('tenants', 16), option('seconds', 5)];
const dir = mkdtempSync(join(tmpdir(), 'cedargate-writers-'));
const server = await Server.start(resolve(process.argv[2]), dir);
try {
  for (let number = 0; number < tenants; number++) await server.call('POST', '/tenants', { name: `t${number}` });
  const [began, statuses] = [now(), {}];
  const write = async (writer) => {
    for (let number = 0; now() < began + seconds; number++) {
      const { status } = await server.request('POST', `/tenants/t${writer % tenants}/users`, { email: `u${writer}-${number}@acme.com` });
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  const made = statuses[201] ?? 0;
  console.log(`${writers} writers, ${tenants} tenants: ${Math.round(made / (now() - began))} changes a second, answers ${JSON.stringify(statuses)}`);
} finally {
  await server.stop();
  rmSync(dir, { recursive: true });
}

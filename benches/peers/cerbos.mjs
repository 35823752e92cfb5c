// Cerbos with a resource policy for each model. Configuration and policies are written as JSON, which is YAML too.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { freePort, serve } from './processes.mjs';
import { ACTION, rulesFor } from './questions.mjs';

const EVERYONE = 'person';

// By role, or by what the token says.
function allowing(team, isByToken) {
  const rule = { actions: [ACTION], effect: 'EFFECT_ALLOW' };
  return isByToken
    ? { ...rule, roles: [EVERYONE], condition: { match: { expr: `"${team}" in request.auxData.jwt.groups` } } }
    : { ...rule, roles: [team] };
}

function write(folder, { policies, isByToken, issuer }) {
  const directory = join(folder, 'policies');
  mkdirSync(directory, { recursive: true });
  for (const { model, team } of rulesFor(policies)) {
    const resourcePolicy = { resource: model, version: 'default', rules: [allowing(team, isByToken)] };
    const policy = { apiVersion: 'api.cerbos.dev/v1', resourcePolicy };
    writeFileSync(join(directory, `${model}.json`), JSON.stringify(policy));
  }
  const file = join(folder, 'jwks.json');
  writeFileSync(file, issuer.jwks);
  return { directory, file };
}

export async function startCerbos(program, folder, wanted) {
  const { directory, file } = write(folder, wanted);
  const http = `127.0.0.1:${await freePort()}`;
  const grpc = `127.0.0.1:${await freePort()}`;
  const config = {
    server: { httpListenAddr: http, grpcListenAddr: grpc },
    storage: { driver: 'disk', disk: { directory, watchForChanges: false } },
    auxData: { jwt: { keySets: [{ id: 'peers', local: { file } }] } },
    audit: { enabled: false },
    telemetry: { disabled: true },
  };
  const configFile = join(folder, 'config.yaml');
  writeFileSync(configFile, JSON.stringify(config));
  const args = ['server', `--config=${configFile}`, '--log-level=warn'];
  const process = await serve(program, args, { health: `http://${http}/_cerbos/health`, log: join(folder, 'log') });
  return {
    url: `http://${http}/api/check/resources`,
    headers: { 'Content-Type': 'application/json' },
    bodyOf: ({ model, person, token }) => ({
      principal: { id: person.name, roles: token ? [EVERYONE] : person.teams },
      resources: [{ actions: [ACTION], resource: { kind: model, id: '1' } }],
      ...(token && { auxData: { jwt: { token } } }),
    }),
    answerOf: (body) => (body.results[0].actions[ACTION] === 'EFFECT_ALLOW' ? 'allow' : 'deny'),
    refusals: [400, 401],
    process,
  };
}

// cedargate with the schema that ships and a tenant of its own: a static policy for each model, people and teams.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { AUDIENCE } from './issuer.mjs';
import { freePort, output, serve } from './processes.mjs';
import { ACTION, people, rulesFor, teams } from './questions.mjs';

const emailOf = (person) => `${person.name}@peers.example`;

const policyOf = ({ model, team }) => `@id("${model}")
permit (principal in Team::"${team}", action == Action::"${ACTION}", resource == Model::"${model}");
`;

// A manifest is YAML, of which JSON is a part.
function directoryOf(issuer) {
  const config = { jwks_uri: `${issuer}/jwks`, issuer, audience: AUDIENCE };
  return [
    { type: 'identity-provider', name: 'peers', config, claims: { teams: 'groups' } },
    ...people.map((person) => ({ type: 'user', email: emailOf(person) })),
    ...teams.map((team) => ({
      type: 'team',
      name: team,
      members: people.filter((person) => person.teams.includes(team)).map(emailOf),
      identity_provider_mapping: [{ identity_provider: 'peers', value: team }],
    })),
  ];
}

function write(folder, { policies, issuer }) {
  const tenant = join(folder, 'policies', 'peers');
  mkdirSync(join(tenant, 'manifests'), { recursive: true });
  writeFileSync(join(tenant, 'models.cedar'), rulesFor(policies).map(policyOf).join('\n'));
  const manifests = directoryOf(issuer.issuer).map((manifest) => JSON.stringify(manifest));
  writeFileSync(join(tenant, 'manifests', 'directory.yaml'), manifests.join('\n---\n'));
}

export async function startCedargate(program, folder, wanted) {
  write(folder, wanted);
  const { key, hash } = JSON.parse(await output(program, ['key', '--json']));
  const http = `127.0.0.1:${await freePort()}`;
  const configFile = join(folder, 'cedargate.toml');
  writeFileSync(configFile, `[[callers.keys]]
name = "peers"
hash = "${hash}"
may = ["vouch"]
[ops]
bind = "off"
[keys]
allow_hosts = ["127.0.0.0/8"]
${wanted.keepsTokens ? '' : '[cache]\ntoken_megabytes = 0\n'}`);
  const args = ['serve', '--config', configFile, '--bind', http, '--policies', join(folder, 'policies')];
  const process = await serve(program, args, { health: `http://${http}/ready`, log: join(folder, 'log') });
  return {
    url: `http://${http}/authorize`,
    headers: { 'Content-Type': 'application/json', ...(!wanted.isByToken && { 'X-Cedargate-Key': key }) },
    bodyOf: ({ model, person, token }) => ({
      ...(token ? { token } : { principal: `User::"${emailOf(person)}"` }),
      action: ACTION,
      resource: `Model::"${model}"`,
    }),
    answerOf: (body) => body.decision,
    refusals: [401],
    process,
  };
}

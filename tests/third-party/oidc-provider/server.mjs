// A real OpenID provider (npm `oidc-provider`) on loopback, for tests/it/oidc_provider.rs.
//
// In: the folder where `npm install` ran, as the one argument. Out: one JSON line, {"issuer": …}, when it listens;
// everything else goes to standard error. It ends with its standard input.
//
//   POST /token      client_credentials with `resource`: a JWT access token (RFC 9068, RFC 8707). A resource under
//                    https://gateway.example/ is signed with the algorithm that its last segment names.
//   POST /rotate     makes new keys, which sign from now on; of the old ones only the last stay published.

import { generateKeyPair, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

// The provider writes its notices with these; standard output is for the one line.
console.info = console.error;
console.log = console.error;

const modules = createRequire(join(resolve(process.argv[2]), 'package.json'));
const { default: Provider } = await import(pathToFileURL(modules.resolve('oidc-provider')));

// The order is the provider's: its default algorithm first.
const ALGORITHMS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES384: ['ec', { namedCurve: 'P-384' }],
  ES512: ['ec', { namedCurve: 'P-521' }],
  EdDSA: ['ed25519', {}],
  Ed25519: ['ed25519', {}],
};

const client = (client_id, scope) => ({
  client_id,
  client_secret: `${client_id}-secret`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  scope,
});

const CLIENTS = [
  client('ci-client', 'models:view models:invoke'),
  client('reporting', 'models:view models:invoke'),
];

let published = [];
let provider;

async function freshKeys() {
  const generate = promisify(generateKeyPair);
  return Promise.all(
    Object.entries(ALGORITHMS).map(async ([alg, [type, options]]) => {
      const { privateKey } = await generate(type, options);
      return { ...privateKey.export({ format: 'jwk' }), kid: `${alg}-${randomUUID()}`, use: 'sig', alg };
    }),
  );
}

async function rotate(issuer) {
  const fresh = await freshKeys();
  published = [...fresh, ...published.slice(0, fresh.length)];
  provider = new Provider(issuer, {
    clients: CLIENTS,
    cookies: { keys: [randomUUID()] },
    enabledJWA: { idTokenSigningAlgValues: Object.keys(ALGORITHMS) },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo(_context, resource) {
          const alg = new URL(resource).pathname.slice(1);
          return {
            scope: 'models:view models:invoke',
            audience: resource,
            accessTokenFormat: 'jwt',
            accessTokenTTL: 600,
            jwt: { sign: { alg: alg in ALGORITHMS ? alg : 'RS256' } },
          };
        },
      },
    },
    jwks: { keys: published },
    scopes: ['models:view', 'models:invoke'],
  });
  return { kids: published.map((key) => key.kid) };
}

const server = createServer(async (request, response) => {
  if (request.method !== 'POST' || request.url !== '/rotate') {
    return provider.callback()(request, response);
  }
  const answer = await rotate(issuer);
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(answer));
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
await rotate(issuer);
process.stdout.write(`${JSON.stringify({ issuer })}\n`);
process.stdin.on('close', () => process.exit(0)).resume();

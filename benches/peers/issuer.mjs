// An issuer of RS256 tokens on loopback: a key, its JWKS by HTTP and as text, tokens for people.

import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

export const AUDIENCE = 'api://peers';
const LIFETIME_SECONDS = 24 * 60 * 60;

export async function startIssuer() {
  const kid = randomUUID();
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }] });
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(jwks);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  server.unref();
  const issuer = `http://127.0.0.1:${server.address().port}`;

  const token = (person, key) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: issuer, aud: AUDIENCE, sub: person.name, groups: person.teams, iat: now };
    const parts = [{ alg: 'RS256', typ: 'JWT', kid }, { ...claims, exp: now + LIFETIME_SECONDS }];
    const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
  };
  return {
    issuer,
    jwks,
    tokenFor: (person) => token(person, privateKey),
    forgedTokenFor: (person) => token(person, stranger.privateKey),
  };
}

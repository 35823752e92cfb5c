// One stage: both servers over an equal set of policies, checked for right answers, then measured in turns.

import { ok, strictEqual } from 'node:assert';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { startCedargate } from './cedargate.mjs';
import { startCerbos } from './cerbos.mjs';
import { measure } from './load.mjs';
import { people, questionsFor } from './questions.mjs';

const START = { cerbos: startCerbos, cedargate: startCedargate };

export async function stage({ programs, folder, seconds, ...wanted }) {
  const { isByToken, issuer, policies } = wanted;
  const tokens = isByToken ? new Map(people.map((person) => [person, issuer.tokenFor(person)])) : new Map();
  const questions = questionsFor(policies).map((question) => ({ ...question, token: tokens.get(question.person) }));
  const servers = [];
  try {
    for (const [name, start] of Object.entries(START)) {
      const own = join(folder, name);
      mkdirSync(own);
      const server = { name, folder: own, ...(await start(programs[name], own, wanted)) };
      servers.push(server);
      await assertAnswers(server, questions);
      if (isByToken) {
        const { person } = questions[0];
        await assertRefused(server, { ...questions[0], token: issuer.forgedTokenFor(person) });
      }
    }
    return await measure(servers, questions, seconds);
  } finally {
    await Promise.all(servers.map((server) => server.process.stop()));
  }
}

async function assertAnswers(server, questions) {
  for (const question of questions) {
    const { status, body } = await ask(server, question);
    const asked = `${server.name}: ${question.person.name}, ${question.model}: ${JSON.stringify(body)}`;
    strictEqual(status, 200, asked);
    strictEqual(server.answerOf(body), question.answer, asked);
  }
}

async function assertRefused(server, question) {
  const { status, body } = await ask(server, question);
  ok(server.refusals.includes(status), `${server.name}: forged token: ${status}, ${JSON.stringify(body)}`);
}

async function ask(server, question) {
  const body = JSON.stringify(server.bodyOf(question));
  const response = await fetch(server.url, { method: 'POST', headers: server.headers, body });
  return { status: response.status, body: await response.json() };
}

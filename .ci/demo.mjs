// The README's first command as a new user runs it: `cedargate demo`, one question by a token that it prints, Ctrl-C.
//
// In: the binary. Out: one line, and exit code 0 when every answer was as the demo says.

import { deepStrictEqual, strictEqual } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const started = Date.now();
const demo = spawn(process.argv[2], ['demo', '--json', '--bind', '127.0.0.1:0'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const ended = once(demo, 'exit');
const patience = setTimeout(() => {
  console.error('demo: not done within 60 s');
  demo.kill('SIGKILL');
  process.exit(1);
}, 60_000);

try {
  const lines = createInterface({ input: demo.stdout });
  const line = await Promise.race([
    once(lines, 'line').then(([text]) => text),
    ended.then(([code]) => Promise.reject(new Error(`demo ended with exit code ${code} before it was ready`))),
  ]);
  const { base_url, tokens } = JSON.parse(line);
  const ready = Date.now() - started;

  const ask = async (token, action) => {
    const response = await fetch(`${base_url}/authorize`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ action, resource: 'Model::"gpt-4o"' }),
    });
    return { status: response.status, body: await response.json() };
  };
  const allow = await ask(tokens.jane, 'viewModel');
  deepStrictEqual([allow.status, allow.body.decision], [200, 'allow'], JSON.stringify(allow.body));
  deepStrictEqual(allow.body.policies.map((policy) => policy.id), ['collaborator/Model/gpt-4o/viewer/Team/ml']);
  const deny = await ask(tokens.jane, 'invokeModel');
  deepStrictEqual([deny.status, deny.body.decision], [200, 'deny'], JSON.stringify(deny.body));
  const refused = await ask(tokens.expired, 'viewModel');
  deepStrictEqual([refused.status, refused.body.type], [401, 'urn:cedargate:problem:token-expired']);

  demo.kill('SIGINT');
  const [code] = await ended;
  strictEqual(code, 0, 'exit code after Ctrl-C');
  console.log(`demo: ready after ${ready} ms; allow, deny and 401 as expected; ended with exit code 0`);
} finally {
  clearTimeout(patience);
  demo.kill('SIGKILL');
}

// A server over an empty folder, for the measurements beside this file: started, called, stopped, looked at.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
export const now = () => Number(process.hrtime.bigint()) / 1e9;

export class Server {
  /** Starts `serve`; with no key of an earlier start, its first line on standard output is the admin key. */
  static async start(binary, dir, key) {
    const environment = {
      ...process.env,
      CEDARGATE_HTTP__AT_LEAST_TIMEOUT_MILLISECONDS: '60000',
      CEDARGATE_HTTP__REQUEST_TIMEOUT_SECONDS: '60',
      CEDARGATE_OPS__BIND: '127.0.0.1:0',
      CEDARGATE_LOG__LEVEL: 'cedargate=info',
    };
    const server = new Server();
    const started = now();
    server.process = spawn(binary, ['serve', '--bind', '127.0.0.1:0', '--json'], { cwd: dir, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    const listening = new Promise((found) => {
      createInterface({ input: server.process.stderr }).on('line', (line) => {
        const address = line.match(/listening address=(\S+)/);
        if (address) found(`http://${address[1]}`);
        if (/ ERROR /.test(line)) console.error(line);
      });
    });
    const first = key ? key : new Promise((found) => createInterface({ input: server.process.stdout }).once('line', (line) => found(JSON.parse(line).admin_key)));
    server.key = await first;
    server.url = await listening;
    server.listening = now() - started;
    server.started = started;
    return server;
  }

  async request(method, path, body) {
    const response = await fetch(this.url + path, {
      method,
      headers: { 'x-cedargate-key': this.key, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    return { status: response.status, body: await response.json().catch(() => undefined) };
  }

  async call(method, path, body) {
    const answer = await this.request(method, path, body);
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Seconds from the start of the process until every tenant is ready. */
  async ready() {
    while ((await this.request('GET', '/ready')).status !== 200) await sleep(20);
    return now() - this.started;
  }

  /** Megabytes. */
  resident() {
    return Number(readFileSync(`/proc/${this.process.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024;
  }

  /** Seconds of processor time so far. */
  cpu() {
    const fields = readFileSync(`/proc/${this.process.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  async stop() {
    const ended = new Promise((done) => this.process.once('exit', done));
    this.process.kill('SIGTERM');
    await ended;
  }
}

// All stages of the comparison, one after the other; `run` says what is compared and how.
//
// In: the programs, and a folder for what they read. Out: a table, or with --json one line for machines.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { startIssuer } from './issuer.mjs';
import { output } from './processes.mjs';
import { stage } from './stage.mjs';
import { table } from './table.mjs';

const HANDFUL = 5;
const BAR = { ratio: 10, policies: 1000 };
const VARIANTS = [
  { variant: 'plain', isByToken: false, keepsTokens: true, hasBar: true },
  { variant: 'token', isByToken: true, keepsTokens: true, hasBar: true },
  { variant: 'token anew', isByToken: true, keepsTokens: false, hasBar: false },
];

function optionsOf(args) {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string', default: '4' },
      policies: { type: 'string', default: String(BAR.policies) },
      json: { type: 'boolean', default: false },
      cedargate: { type: 'string' },
      cerbos: { type: 'string' },
      into: { type: 'string' },
    },
  });
  const numbers = { seconds: Number(values.seconds), policies: Number(values.policies) };
  for (const [name, number] of Object.entries(numbers)) {
    if (!Number.isInteger(number) || number < 1) {
      throw new Error(`\`--${name}\` is not a whole number from 1`);
    }
  }
  const programs = { cerbos: resolve(values.cerbos), cedargate: resolve(values.cedargate) };
  return { ...numbers, json: values.json, programs, into: resolve(values.into) };
}

async function versionsOf(programs) {
  const first = async (program) => (await output(program, ['--version'])).split('\n')[0];
  return { cerbos: await first(programs.cerbos), cedargate: await first(programs.cedargate) };
}

async function compare({ seconds, policies, json, programs, into }) {
  const folder = mkdtempSync(join(into, 'run-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const versions = await versionsOf(programs);
  const issuer = await startIssuer();
  const results = [];
  for (const size of new Set([policies, HANDFUL])) {
    for (const { hasBar, ...variant } of VARIANTS) {
      console.error(`peers: ${size} policies, ${variant.variant}`);
      const own = join(folder, String(results.length));
      mkdirSync(own);
      const rates = await stage({ policies: size, seconds, programs, issuer, folder: own, ...variant });
      const bar = hasBar && size === BAR.policies ? BAR.ratio : null;
      const ratio = rates.cedargate.requests_per_second.median / rates.cerbos.requests_per_second.median;
      results.push({ policies: size, variant: variant.variant, ...rates, ratio, bar });
    }
  }
  const [{ model }, ...others] = cpus();
  const run = { date: new Date().toISOString(), machine: { cpu: model, cores: others.length + 1 }, versions, results };
  console.log(json ? JSON.stringify(run) : table(run));
}

try {
  await compare(optionsOf(process.argv.slice(2)));
} catch (error) {
  console.error(`peers: ${error.message}`);
  process.exit(1);
}

// Makes thirty wrong edits to the sample, one at a time, and asks `cedargate verify` and `cedargate diff` about each:
//
//   node benches/workbench/wrong_edits.mjs target/release/cedargate [--prove]
//
// Prints a table of which of the two found it, in how many requests, and how long each took. Fails when one was found
// by neither. The edits are in tests/fixtures/wrong_edits.json, where the tests have them from, too.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const [binary, ...options] = process.argv.slice(2);
if (!binary) {
  console.error("usage: node benches/workbench/wrong_edits.mjs BINARY [--prove]");
  process.exit(64);
}
const prove = options.includes("--prove");
const root = resolve(import.meta.dirname, "../..");
const edits = JSON.parse(readFileSync(join(root, "tests/fixtures/wrong_edits.json"), "utf8"));

function copy() {
  const folder = mkdtempSync(join(tmpdir(), "cedargate-wrong-edit-"));
  const isOurs = (path) => !path.endsWith("/compiled");
  for (const part of ["policies", "schema"]) {
    cpSync(join(root, part), join(folder, part), { recursive: true, filter: isOurs });
  }
  return folder;
}

function apply(edit, folder) {
  const path = join(folder, edit.file);
  const text = readFileSync(path, "utf8");
  const at = text.indexOf(edit.from);
  if (at < 0) throw new Error(`${edit.file} has no ${JSON.stringify(edit.from)}`);
  const changed = edit.delete_from_here ? text.slice(0, at) : text.replace(edit.from, edit.to);
  writeFileSync(path, changed);
}

function run(...args) {
  const started = performance.now();
  const ended = spawnSync(resolve(root, binary), args, { encoding: "utf8", maxBuffer: 1 << 28 });
  const seconds = (performance.now() - started) / 1000;
  if (ended.status !== 0 && ended.status !== 4) throw new Error(ended.stdout + ended.stderr);
  return { seconds, result: JSON.parse(ended.stdout) };
}

const original = copy();
const rows = [];
for (const edit of edits) {
  const folder = copy();
  apply(edit, folder);
  const dirs = ["--policies", join(folder, "policies"), "--schema", join(folder, "schema")];
  const verified = run("verify", "--json", ...(prove ? ["--prove"] : []), ...dirs);
  const broken = verified.result.tenants.flatMap((tenant) => tenant.invariants).filter((one) => !one.holds);
  const found = verified.result.tenants.flatMap((tenant) => tenant.findings);
  const compared = run("diff", original, folder, "--json", "--fail-on", "any", ...(prove ? [] : ["--no-proof"]));
  const tenants = compared.result.tenants;
  const ways = { "newly allowed": "newly_allowed", "newly denied": "newly_denied" };
  const changed = Object.entries(ways).flatMap(([way, key]) =>
    tenants.flatMap((tenant) => tenant[key]).filter((one) => one.result === "changed").map((one) => ({ way, ...one })),
  );
  const people = tenants.flatMap((tenant) => tenant.people.impacts);
  rows.push({
    edit: edit.name,
    verify: [...broken.map((one) => one.name), ...found.map((one) => `${one.policy} ${one.kind}`)],
    verifyRequests: broken.length ? Math.min(...broken.map((one) => one.requests)) : undefined,
    verifySeconds: verified.seconds,
    diff: [...new Set([...changed.map((one) => one.way), ...(people.length ? ["people"] : [])])],
    diffRequests: changed.length ? Math.min(...changed.map((one) => one.requests)) : undefined,
    diffSeconds: compared.seconds,
  });
  rmSync(folder, { recursive: true });
}
rmSync(original, { recursive: true });

console.log("| wrong edit | `verify` | in | s | `diff` | in | s |\n|---|---|---|---|---|---|---|");
for (const row of rows) {
  const [first, ...more] = row.verify;
  const by = first ? first + (more.length ? ` and ${more.length} more` : "") : "–";
  const cells = [row.edit, by, row.verifyRequests ?? "–", row.verifySeconds.toFixed(1)];
  cells.push(row.diff.join(", ") || "–", row.diffRequests ?? "–", row.diffSeconds.toFixed(1));
  console.log(`| ${cells.join(" | ")} |`);
}
const missed = rows.filter((row) => !row.verify.length && !row.diff.length);
const byVerify = rows.filter((row) => row.verify.length).length;
const byDiff = rows.filter((row) => row.diff.length).length;
console.log(`\n${rows.length} wrong edits: ${byVerify} found by verify, ${byDiff} by diff, ${missed.length} by neither`);
process.exit(missed.length ? 1 : 0);

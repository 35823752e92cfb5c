// `cedargate diff` of the sample with 100,000 collaborators more, and the proof of the sample's invariants:
//
//   node benches/workbench/large.mjs target/release/cedargate
//
// Prints how long each took. The second version of the tree has a wrong edit in a guard rail, a team that lost a member,
// and fifty grants changed.

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const [binary, grants = "100000"] = process.argv.slice(2);
if (!binary) {
  console.error("usage: node benches/workbench/large.mjs BINARY [GRANTS]");
  process.exit(64);
}
const root = resolve(import.meta.dirname, "../..");
const roles = ["viewer", "user", "editor"];

function manifests(count, changed) {
  const out = [];
  const users = Math.ceil(count / 5);
  const models = Math.ceil(count / 10);
  for (let user = 0; user < users; user++) out.push(`type: user\nemail: u${user}@large.example`);
  for (let team = 0; team < 500; team++) {
    const members = [];
    for (let user = team; user < users; user += 500) members.push(`u${user}@large.example`);
    if (changed && team === 7) members.pop();
    out.push(`type: team\nname: team-${team}\nmembers: [${members.join(", ")}]`);
  }
  for (let workspace = 0; workspace < 100; workspace++) {
    out.push(`type: resource\nresource: Workspace::w${workspace}\nparents: [Cluster::eu-west]`);
  }
  for (let model = 0; model < models; model++) {
    const collaborators = [];
    for (let place = 0; place < 10; place++) {
      const number = model * 10 + place;
      const subject = place < 6 ? `team:team-${(number * 7) % 500}` : `user:u${(number * 13) % users}@large.example`;
      const role = changed && place === 0 && model < 50 ? "manager" : roles[number % 3];
      collaborators.push(`  - {subject: "${subject}", role: ${role}}`);
    }
    const attributes = `attributes: {tier: ${model % 10 ? "silver" : "gold"}, max_tokens: 8192}`;
    const parents = `parents: [Workspace::w${model % 100}]`;
    out.push(`type: resource\nresource: Model::m${model}\n${parents}\n${attributes}\ncollaborators:\n${collaborators.join("\n")}`);
  }
  return out.join("\n---\n") + "\n";
}

function tree(changed) {
  const folder = mkdtempSync(join(tmpdir(), "cedargate-large-"));
  const isOurs = (path) => !path.endsWith("/compiled");
  for (const part of ["policies", "schema"]) {
    cpSync(join(root, part), join(folder, part), { recursive: true, filter: isOurs });
  }
  mkdirSync(join(folder, "policies/acme/manifests/large"));
  writeFileSync(join(folder, "policies/acme/manifests/large/all.yaml"), manifests(Number(grants), changed));
  if (changed) {
    const budget = join(folder, "policies/acme/guardrails/budgets.cedar");
    writeFileSync(budget, readFileSync(budget, "utf8").replace("tokens_requested > res", "tokens_requested >= res"));
  }
  return folder;
}

function run(...args) {
  const started = performance.now();
  const ended = spawnSync(resolve(root, binary), args, { encoding: "utf8", maxBuffer: 1 << 28 });
  const seconds = (performance.now() - started) / 1000;
  if (ended.status !== 0 && ended.status !== 4) throw new Error(ended.stdout + ended.stderr);
  return { seconds, text: ended.stdout };
}

const [before, after] = [tree(false), tree(true)];
const compared = run("diff", before, after, "--no-proof", "--examples", "3");
console.log(compared.text);
console.log(`diff of ${grants} more collaborators, random search: ${compared.seconds.toFixed(1)} s`);
const dirs = ["--policies", join(root, "policies"), "--schema", join(root, "schema")];
const proved = JSON.parse(run("verify", "--prove", "--json", ...dirs).text);
const invariants = proved.tenants.flatMap((tenant) => tenant.invariants);
const all = run("verify", "--prove", "--cases", "0", "--json", ...dirs);
const holding = invariants.filter((one) => one.proof?.result === "holds").length;
console.log(`proof of ${holding} of the sample's ${invariants.length} invariants: ${all.seconds.toFixed(1)} s`);
[before, after].forEach((folder) => rmSync(folder, { recursive: true }));

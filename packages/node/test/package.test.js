// The package as npm installs it elsewhere, and the README's example with it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { fresh, kvActor } from "./support.js";

const root = fileURLToPath(new URL("..", import.meta.url));

function run(cwd, command, ...args) {
  const ended = spawnSync(command, args, { cwd, encoding: "utf8" });
  assert.equal(ended.status, 0, `${command} ${args.join(" ")}: ${ended.error ?? ended.stderr}`);
  return ended.stdout;
}

test("it is installed from its tarball, and the README's example works", (t) => {
  const folder = fresh(t, "program");
  mkdirSync(folder);
  const tarball = run(root, "npm", "pack", "--silent", "--pack-destination", folder).trim();
  writeFileSync(join(folder, "package.json"), '{"private":true,"type":"module"}');
  run(folder, "npm", "install", "--no-audit", "--no-fund", "--prefer-offline", `./${tarball}`);
  const [, example] = readFileSync(join(root, "README.md"), "utf8").split(/```(?:js)?\n/);
  writeFileSync(join(folder, "program.js"), example);
  const said = run(folder, process.execPath, "program.js").split("\n");
  assert.deepEqual(said, [
    "{ text: 'Hello' }",
    "ba9277fc4c6190fb875ad8f9cee848dba699937f Hello",
    "conflict 1",
    '{"status":"ok","key":"n","version":6}',
    "",
    "",
  ]);
  assert.equal(kvActor(join(folder, "data"), ["get", "n"]), "1.10\n");
});

// Several Nodes on one directory at once, killed at any moment: whoever was replaced
// finds out before it answers, so that nothing that was answered is lost.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { open } from "../index.js";
import { fresh, kvActor } from "./support.js";

const program = fileURLToPath(new URL("contender.js", import.meta.url));

for (const count of [2, 8]) {
  test(`${count} contenders, killed one by one, lose nothing`, async (t) => {
    const data = fresh(t);
    const start = (number) => contender(data, `c${number}`);
    const contenders = Array.from({ length: count }, (_, number) => start(number));
    const answered = [];
    for (let kill = 0; kill < 6; kill += 1) {
      // All of them have begun.
      await Promise.all(contenders.map(({ begun }) => begun));
      await setTimeout(20 + 13 * kill);
      answered.push(...(await contenders[kill % count].kill()));
      contenders[kill % count] = start(count + kill);
    }
    for (const each of contenders) {
      answered.push(...(await each.kill()));
    }
    assert(answered.length >= count, `${answered.length} were answered`);
    const failed = answered.filter((line) => line.startsWith("failed"));
    assert.deepEqual(failed, []);
    const rows = kvActor(data, ["list", "--values"]).trim().split("\n").map((row) => JSON.parse(row));
    const held = new Map(rows.map(({ key, value }) => [key, value]));
    for (const key of answered) {
      assert.equal(held.get(key), Number(key.split(" ")[1]), key);
    }
    assert.deepEqual(JSON.parse(kvActor(data, ["verify"])).damage, []);
  });
}

test("opening to read leaves no trace", async (t) => {
  const data = fresh(t);
  kvActor(data, ["put", "a", "1"]);
  const before = readdirSync(data);
  for (let time = 0; time < 20; time += 1) {
    const store = await open(data);
    assert.equal(await store.get("a"), 1);
    await store.close();
  }
  assert.deepEqual(readdirSync(data), before);
});

/** Another Node, and what it was answered. */
function contender(data, name) {
  const child = spawn(process.execPath, [program, data, name], { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "exit");
  const lines = [];
  const reader = createInterface({ input: child.stdout });
  const closed = once(reader, "close");
  const begun = Promise.race([once(reader, "line"), closed]);
  reader.on("line", (line) => lines.push(line));
  return {
    begun,
    async kill() {
      child.kill("SIGKILL");
      await Promise.all([exit, closed]);
      return lines;
    },
  };
}

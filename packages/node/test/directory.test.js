// The directory that Node writes is the one that our runtime writes: each opens
// the other's, through kills, full disks and other owners.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { open } from "../index.js";
import { fresh, kvActor } from "./support.js";

const writer = fileURLToPath(new URL("writer.js", import.meta.url));
const corpus = fileURLToPath(new URL("../../../crates/fuzzing/corpus/events", import.meta.url));

/** Without what no two runs have in common: times, and checksums over them. */
function timeless(text) {
  return text
    .replaceAll(/"(t|time_ms|expires|expires_ms|expires_in_ms)":\d+/g, '"$1":0')
    .replaceAll(/"c":"[0-9a-f]{8}"/g, '"c":""');
}

// Each event alone, as `kv-actor send` has them.
for (const name of readdirSync(corpus).filter((name) => name !== "not_utf8")) {
  test(`the events ${name} have the replies of our runtime, and leave its files`, async (t) => {
    const events = readFileSync(join(corpus, name), "utf8").replaceAll(/"ttl_ms":\d+/g, '"ttl_ms":3600000');
    const ours = fresh(t, "ours");
    const theirs = fresh(t, "theirs");
    // 10 to 20: the first refused event.
    const codes = Array.from({ length: 21 }, (_, code) => code).filter((code) => code === 0 || code >= 10);
    const expected = kvActor(ours, ["send"], { input: events, codes });
    const store = await open(theirs);
    let replies = "";
    for (const event of events.split("\n")) {
      replies += await store.handle(event);
    }
    await store.close();
    assert.equal(timeless(replies), timeless(expected));
    const files = (data) =>
      existsSync(data) ? readdirSync(data).map((file) => [file, timeless(readFileSync(join(data, file), "utf8"))]) : [];
    assert.deepEqual(files(theirs), files(ours));
  });
}

test("our runtime opens a directory that Node wrote, and the other way round", async (t) => {
  const data = fresh(t);
  const first = await open(data);
  await first.handle('{"type":"put","key":"a","value":[1.10,"é"]}');
  await first.close();
  assert.equal(statSync(data).mode & 0o777, 0o700);
  assert.equal(kvActor(data, ["get", "a"]), '[1.10,"é"]\n');
  kvActor(data, ["put", "b", "2"]);
  const second = await open(data);
  assert.equal(await second.get("b"), 2);
  await second.close();
  assert.deepEqual(JSON.parse(kvActor(data, ["verify"])).damage, []);
});

test("what was answered outlives a kill, and the next owner opens what it left", async (t) => {
  const data = fresh(t);
  // Killed at another moment each time; opened by either in turn.
  for (const round of [0, 1, 2, 3]) {
    const answered = await written(t, data, { prefix: `r${round}-`, until: 300 + 450 * round });
    if (round % 2 === 0) {
      const pages = kvActor(data, ["list", "--prefix", `r${round}-`]).trim().split("\n");
      assert(pages.length >= answered.length);
      assert.equal(kvActor(data, ["get", answered.at(-1)]), `${answered.length - 1}\n`);
    } else {
      const store = await open(data);
      for (const [number, key] of answered.entries()) {
        assert.equal(await store.get(key), number);
      }
      await store.close();
    }
  }
  assert.deepEqual(JSON.parse(kvActor(data, ["verify"])).damage, []);
});

test("each answer waits for a sync of the file, and the file's name for one of its directory", async (t) => {
  const data = fresh(t);
  const trace = join(data, "..", "trace");
  const script = `
    import { open } from ${JSON.stringify(new URL("../index.js", import.meta.url))};
    import { writeSync } from "node:fs";
    const store = await open(process.argv[1]);
    for (const n of [1, 2, 3]) { await store.put("k", n); writeSync(2, "answered"); }`;
  const calls = "trace=pwrite64,fdatasync,fsync,write";
  const node = [process.execPath, "--input-type=module", "--eval", script, "--", data];
  const ran = spawnSync("strace", ["-f", "-y", "-e", calls, "-o", trace, ...node]);
  assert.equal(ran.status, 0, `${ran.error ?? ran.stderr}`);
  const order = readFileSync(trace, "utf8").split("\n").flatMap((line) => {
    if (/fsync\(\d+<[^>]*\/data>\) += 0/.test(line)) return ["directory"];
    if (/pwrite64\(\d+<[^>]*jsonl>/.test(line)) return ["write"];
    if (/fdatasync\(\d+<[^>]*jsonl>\) += 0/.test(line)) return ["sync"];
    return line.includes("answered") ? ["answer"] : [];
  });
  const steps = order.join(" ").split("answer").slice(0, 3);
  assert.match(steps[0], /write sync.*directory|directory.*write sync/);
  for (const step of steps) {
    assert.match(step, /write sync/);
    assert(step.lastIndexOf("write") < step.lastIndexOf("sync"), order.join(" "));
  }
});

test("an owner that was replaced finds out before it answers", async (t) => {
  const data = fresh(t);
  const first = await open(data);
  await first.put("a", 1);
  const second = await open(data);
  await second.put("a", 2);
  await assert.rejects(first.put("a", 3), { code: "unavailable" });
  await assert.rejects(first.get("a"), { code: "unavailable", message: /open it again/ });
  assert.equal(await second.get("a"), 2);
  await second.put("b", 1);
  await second.close();
  assert.equal(kvActor(data, ["get", "a"]), "2\n");
});

test("a full disk refuses writes with `storage`, and reads go on", async (t) => {
  const data = fresh(t);
  // The longest file that the process may write, in units of 512 bytes.
  const process = start(data, { prefix: "k", blocks: 64 });
  const [replies, code] = await ended(process);
  assert.equal(code, 0, "it goes on");
  const refused = replies.filter((reply) => reply.startsWith("storage"));
  assert(refused.length > 0, replies.join());
  assert.equal(replies.at(-1), "read k0: 0");
  assert.equal(kvActor(data, ["get", "k0"]), "0\n");
});

test("a damaged directory is refused, with file and line", async (t) => {
  const data = fresh(t);
  mkdirSync(data);
  writeFileSync(join(data, "00000001.jsonl"), "damaged\n");
  await assert.rejects(open(data), { code: "corrupt", message: /00000001.jsonl, line 1/ });
});

test("a link that leads out of the directory is not followed", async (t) => {
  const data = fresh(t);
  mkdirSync(data);
  writeFileSync(join(data, "..", "secret"), "secret\n");
  symlinkSync("../secret", join(data, "00000001.jsonl"));
  await assert.rejects(open(data), { code: "storage" });
  assert.equal(readFileSync(join(data, "..", "secret"), "utf8"), "secret\n");
});

test("a directory that can't be made says so", async (t) => {
  const file = fresh(t, "file");
  writeFileSync(file, "");
  await assert.rejects(open(file), { code: "storage", message: /file/ });
});

/** Another Node, which puts until it is told to stop or killed. */
function start(data, { prefix, blocks = "unlimited" }) {
  const command = `ulimit -f ${blocks}; exec "$0" "$@"`;
  return spawn("sh", ["-c", command, process.execPath, writer, data, prefix], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function ended(child) {
  const exit = once(child, "exit");
  const lines = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
  }
  return [lines, (await exit)[0]];
}

/** The keys that were answered before the kill. */
async function written(t, data, { prefix, until }) {
  const child = start(data, { prefix });
  const exit = once(child, "exit");
  const answered = [];
  for await (const line of createInterface({ input: child.stdout })) {
    answered.push(line);
    if (answered.length === until) {
      child.kill("SIGKILL");
    }
  }
  const [, signal] = await exit;
  assert.equal(signal, "SIGKILL", answered.at(-1));
  return answered;
}

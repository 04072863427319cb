// A directory for each test, and our own runtime beside Node.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** A path in a folder that is removed after the test. */
export function fresh(t, name = "data") {
  const folder = mkdtempSync(join(tmpdir(), "kv-store-actor-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, name);
}

const binary = process.env.KV_ACTOR;
if (binary === undefined) {
  throw new Error("KV_ACTOR names no kv-actor; run `make test-node`");
}

/** Runs kv-actor on a directory, which must end with one of `codes`; its standard output. */
export function kvActor(data, args, { input, codes = [0] } = {}) {
  const ended = spawnSync(resolve(binary), [...args, "--data", data], { input, maxBuffer: 1 << 30 });
  if (!codes.includes(ended.status)) {
    throw new Error(`kv-actor ${args.join(" ")}: ${ended.status}: ${ended.error ?? ended.stderr}`);
  }
  return ended.stdout.toString();
}

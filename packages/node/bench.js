// Events a second in batches of 64, on a directory in memory, where a sync costs
// nothing: `make bench-node`.
import { mkdtempSync, rmSync } from "node:fs";
import { open } from "./index.js";

const EVENTS = 200_000;
const BATCH = 64;
const KEYS = 100_000;

const directory = mkdtempSync("/dev/shm/kv-store-");
try {
  const store = await open(directory);
  const key = (number) => `k${(number * 7919) % KEYS}`;
  const value = (number) => ({ n: number, text: "x".repeat(180) });
  const kinds = {
    put: (number) => store.put(key(number), value(number)),
    get: (number) => store.get(key(number)),
  };
  for (const [kind, event] of Object.entries(kinds)) {
    const begun = process.hrtime.bigint();
    for (let first = 0; first < EVENTS; first += BATCH) {
      await Promise.all(Array.from({ length: BATCH }, (_, place) => event(first + place)));
    }
    const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
    console.log(`${kind}: ${Math.round(EVENTS / seconds)} events a second, ${BATCH} at once`);
  }
  await store.close();
} finally {
  rmSync(directory, { recursive: true });
}

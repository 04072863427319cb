// Puts one value after the other, and prints each key once it is answered. When
// another owner has come, it waits for a moment and opens the store again: whoever
// opens it takes the place of one who writes only if nothing was written meanwhile.

import { setTimeout } from "node:timers/promises";
import { open } from "../index.js";

const AWAY_MS_MAX = 1000;
const [data, name] = process.argv.slice(2);
// Synchronous, as standard output to a pipe is.
const say = (line) => process.stdout.write(`${line}\n`);

/** The store, or nothing where a file has moved while it was read. */
async function opened() {
  try {
    return await open(data, { segment_bytes_max: 20_000, checkpoint_interval_bytes: 30_000 });
  } catch (error) {
    if (error.code !== "storage") {
      say(`failed: ${error.code}: ${error.message}`);
      process.exit(1);
    }
  }
}

for (let number = 0; ; ) {
  const store = await opened();
  try {
    while (store !== undefined) {
      await store.put(`${name} ${number}`, number);
      say(`${name} ${number}`);
      number += 1;
    }
  } catch (error) {
    if (error.code !== "unavailable") {
      say(`failed: ${error.code}: ${error.message}`);
      process.exit(1);
    }
    await setTimeout(Math.random() * AWAY_MS_MAX);
  }
}

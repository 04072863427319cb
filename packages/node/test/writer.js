// Puts 16 values at a time, and prints each key once it is answered; after the
// first refusal it prints that, and what it can still read.

import { open } from "../index.js";

const [data, prefix] = process.argv.slice(2);
// Synchronous, as standard output to a pipe is.
const say = (line) => process.stdout.write(`${line}\n`);
const store = await open(data);
for (let number = 0, refused = false; !refused; number += 16) {
  const keys = Array.from({ length: 16 }, (_, index) => `${prefix}${number + index}`);
  const puts = keys.map((key, index) => store.put(key, number + index));
  for (const [index, put] of puts.entries()) {
    try {
      await put;
      say(keys[index]);
    } catch (error) {
      refused = true;
      say(`${error.code}: ${error.message}`);
    }
  }
}
say(`read ${prefix}0: ${await store.get(`${prefix}0`)}`);

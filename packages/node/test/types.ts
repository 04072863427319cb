// What the types promise; compiled by `npm test`, never run.

import { open, type Json, type Reply, type Store, StoreError } from "../index.js";

const store: Store = await open("data", { cache_bytes_max: 0 });
const version: number = await store.put("a", { list: [1, null, "é"] });
const value: Json | undefined = await store.get("a");
const deleted: boolean = await store.delete("a");
const hash: string = await store.storeContent("Hello");
const content: Json | undefined = await store.getContent(hash);
const reply: Reply = await store.send({ type: "put", key: "a", value: 1, if_version: version });
const replies: string = await store.handle(new Uint8Array());
await store.close();
export { value, deleted, content, reply, replies };

try {
  await store.delete("a");
} catch (error) {
  if (error instanceof StoreError && error.code === "conflict") {
    const now: Json | undefined = error.reply.version;
    console.error(now);
  }
}

// @ts-expect-error a function is no JSON
await store.put("a", () => 1);
// @ts-expect-error an unknown setting
await open("data", { cache_bytes: 1 });
// @ts-expect-error an event has a type
await store.send({ key: "a" });

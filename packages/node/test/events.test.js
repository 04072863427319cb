// What a JavaScript program asks for, and what it gets.

import assert from "node:assert/strict";
import { test } from "node:test";
import { open, StoreError } from "../index.js";
import { fresh } from "./support.js";

const HELLO = "ba9277fc4c6190fb875ad8f9cee848dba699937f";

/** Opens a store that is closed after the test. */
async function store(t) {
  const opened = await open(fresh(t));
  t.after(() => opened.close());
  return opened;
}

test("the five events", async (t) => {
  const it = await store(t);
  assert.equal(await it.put("a", { n: 1.5, list: [null, true, "é"] }), 1);
  assert.deepEqual(await it.get("a"), { n: 1.5, list: [null, true, "é"] });
  assert.equal(await it.delete("a"), true);
  assert.equal(await it.delete("a"), false);
  assert.equal(await it.get("a"), undefined);
  assert.equal(await it.storeContent("Hello"), HELLO);
  assert.equal(await it.getContent(HELLO), "Hello");
  assert.equal(await it.getContent("0".repeat(40)), undefined);
});

test("null is a value, and undefined is none", async (t) => {
  const it = await store(t);
  await it.put("a", null);
  assert.equal(await it.get("a"), null);
  await assert.rejects(it.put("b", undefined), { code: "invalid_event", message: /`value`/ });
});

test("hostile keys and values come back as they are", async (t) => {
  const it = await store(t);
  const keys = ["", "../x", "/etc/passwd", "a\0b", "\n", "\u2028", "😀", "__proto__", "k".repeat(65_536)];
  await Promise.all(keys.map((key) => it.put(key, { [key]: key })));
  for (const key of keys) {
    assert.equal(JSON.stringify(await it.get(key)), JSON.stringify({ [key]: key }));
  }
  const long = "x".repeat(16_777_214);
  await it.put("long", long);
  assert.equal(await it.get("long"), long);
});

test("text keeps digits that a JavaScript number can't hold", async (t) => {
  const it = await store(t);
  const number = "12345678901234567890.10e400";
  await it.handle(`{"type":"put","key":"a","value":${number}}`);
  const reply = await it.handle(Buffer.from('{"type":"get","key":"a"}\n'));
  assert.equal(reply, `{"status":"ok","key":"a","value":${number},"version":1}\n`);
});

test("a refusal has its code and its members", async (t) => {
  const it = await store(t);
  await it.put("a", 1);
  const refused = it.send({ type: "put", key: "a", value: 2, if_version: 7 });
  await assert.rejects(refused, (error) => {
    assert(error instanceof StoreError);
    assert.equal(error.code, "conflict");
    assert.equal(error.reply.version, 1);
    return true;
  });
  await assert.rejects(it.put("k".repeat(65_537), 1), { code: "too_large" });
  await assert.rejects(it.put("\ud800", 1), { code: "invalid_json" });
  await assert.rejects(it.send({ type: "frobnicate" }), { code: "invalid_event" });
  await assert.rejects(it.send([]), { code: "invalid_event" });
  assert.equal(await it.get("a"), 1);
});

test("what is asked for in one turn is done in order, each with its own answer", async (t) => {
  const it = await store(t);
  const answers = await Promise.allSettled([
    it.put("a", 1),
    it.get("a"),
    it.send({ type: "nothing" }),
    it.put("a", 2),
    it.get("a"),
    it.handle('{"type":"get","key":"a","id":1}\n\n \r\n{"type":"get","key":"b"}\n\xff'),
    it.delete("a"),
  ]);
  const values = answers.map(({ value, reason }) => value ?? reason.code);
  assert.deepEqual([...values.slice(0, 5), values[6]], [1, 1, "invalid_event", 2, 2, true]);
  const [first, second, third] = values[5].split("\n");
  assert.equal(first, '{"status":"ok","id":1,"key":"a","value":2,"version":2}');
  assert.match(second, /"not_found"/);
  assert.match(third, /"invalid_json"/);
});

test("more than one batch is answered whole and in order", async (t) => {
  const it = await store(t);
  const text = "x".repeat(100_000);
  await it.put("a", text);
  const numbers = Array.from({ length: 10_000 }, (_, number) => number);
  const puts = await Promise.all(numbers.map((number) => it.put(`k${number}`, number)));
  assert.deepEqual(puts, numbers.map((number) => number + 2));
  // Their replies are more than a batch may come to.
  const values = await Promise.all(numbers.slice(0, 200).map(() => it.get("a")));
  assert(values.every((value) => value === text));
  assert.equal((await it.send({ type: "stats" })).keys, 10_001);
});

test("a value's time ends without any event", async (t) => {
  const it = await store(t);
  await it.send({ type: "put", key: "a", value: 1, ttl_ms: 20 });
  assert.equal(await it.get("a"), 1);
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    // The time of a value that is gone was up without this event's help: its end
    // is in a batch before it.
    const { changes } = await it.send({ type: "changes", since: 1 });
    if (changes.length > 0) {
      assert.equal(changes[0].type, "expire");
      assert.equal(changes[0].key, "a");
      break;
    }
  }
});

test("a closed store refuses, and has done what it was asked before", async (t) => {
  const data = fresh(t);
  const first = await open(data);
  const put = first.put("a", 1);
  await first.close();
  assert.equal(await put, 1);
  await assert.rejects(first.get("a"), { code: "unavailable", message: /closed/ });
  await first.close();
  const second = await open(data);
  assert.equal(await second.get("a"), 1);
  await second.close();
});

test("a setting that is unknown is refused by name", async (t) => {
  await assert.rejects(open(fresh(t), { cache_bytes_mx: 1 }), { message: /cache_bytes_max/ });
  const it = await open(fresh(t), { cache_bytes_max: 0 });
  await it.put("a", 1);
  assert.equal(await it.get("a"), 1);
  await it.close();
});

// The store as a JavaScript module: `open` a directory, then `put` and `get`.
//
// The component handles events in batches, and syncs once a batch. What is asked
// for in one turn of the event loop goes in together.

import { readFileSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { instantiate } from "./component/kv-store.js";
import { preopen } from "./directory.js";

// The runtime's own limits, and the longest that a timer can wait.
const BATCH_EVENTS_MAX = 4096;
const BATCH_BYTES_MAX = 1024 * 1024;
const TIMER_MS_MAX = 2 ** 31 - 1;

const LINE_FEED = 0x0a;

/** An error reply; `code` is stable, `reply` has the members that it came with. */
export class StoreError extends Error {
  constructor(code, message, reply = {}) {
    super(message);
    this.name = "StoreError";
    this.code = code;
    this.reply = reply;
  }
}

/** Opens a data directory; makes it, for its owner alone, where there is none. */
export async function open(directory, configuration = {}) {
  const path = resolve(directory);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StoreError("storage", `${path} can't be made: ${error.message}`);
  }
  return new Store(start(path, configuration));
}

const modules = new Map();

/** A core module of the component, compiled once. */
function coreModule(name) {
  if (!modules.has(name)) {
    const bytes = readFileSync(new URL(`./component/${name}`, import.meta.url));
    modules.set(name, new WebAssembly.Module(bytes));
  }
  return modules.get(name);
}

function start(path, configuration) {
  let actor;
  try {
    ({ actor } = instantiate(coreModule, preopen(path)));
    actor.init(JSON.stringify(configuration));
  } catch (error) {
    const { code, message } = error.payload ?? {};
    throw new StoreError(code ?? "unavailable", message ?? `${path} can't be opened: ${error}`);
  }
  return actor;
}

class Store {
  #actor;
  /** Events that wait: each a line, and what takes its reply. */
  #waiting = [];
  #timer;
  /** Why no event is taken any more. */
  #ended;

  constructor(actor) {
    this.#actor = actor;
  }

  async put(key, value) {
    return (await this.send({ type: "put", key, value })).version;
  }

  async get(key) {
    return (await orUndefined(this.send({ type: "get", key })))?.value;
  }

  async delete(key) {
    return (await this.send({ type: "delete", key })).deleted;
  }

  async storeContent(content) {
    return (await this.send({ type: "store_content", content })).hash;
  }

  async getContent(hash) {
    return (await orUndefined(this.send({ type: "get_content", hash })))?.content;
  }

  async send(event) {
    const line = await this.#ask(Buffer.from(JSON.stringify(event)));
    const reply = JSON.parse(line);
    if (reply.status === "error") {
      throw new StoreError(reply.code, reply.message, reply);
    }
    return reply;
  }

  async handle(events) {
    const lines = split(Buffer.from(events)).filter((line) => !isBlank(line));
    const replies = await Promise.all(lines.map((line) => this.#ask(line)));
    return replies.map((reply) => `${reply}\n`).join("");
  }

  async close() {
    while (this.#waiting.length > 0) {
      this.#drain();
    }
    if (this.#ended === undefined) {
      this.#end(new StoreError("unavailable", "the store is closed"), () => this.#actor.stop());
    }
  }

  #ask(line) {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      if (this.#waiting.length === 0) {
        setImmediate(() => this.#drain());
      }
      this.#waiting.push({ line, resolve, reject });
    });
  }

  /** Hands in one batch of what waits, and settles what it answers. */
  #drain() {
    let events = 0;
    let bytes = 0;
    while (events < Math.min(this.#waiting.length, BATCH_EVENTS_MAX) && bytes < BATCH_BYTES_MAX) {
      bytes += this.#waiting[events].line.length + 1;
      events += 1;
    }
    if (events > 0) {
      this.#handle(this.#waiting.slice(0, events).map(({ line }) => line));
    }
    if (this.#waiting.length > 0) {
      setImmediate(() => this.#drain());
    }
  }

  #handle(lines) {
    clearTimeout(this.#timer);
    const batch = Buffer.concat(lines.flatMap((line) => [line, Buffer.of(LINE_FEED)]));
    let handled;
    try {
      handled = this.#actor.handle(batch, BigInt(Date.now()));
    } catch (error) {
      this.#end(new StoreError("unavailable", `it is unknown what happened (${error}); open it again`));
      return;
    }
    const replies = split(Buffer.from(handled.replies));
    const answered = this.#waiting.splice(0, replies.length);
    answered.forEach(({ resolve }, index) => resolve(replies[index].toString()));
    if (handled.finished) {
      this.#end(new StoreError("unavailable", "another has opened the directory, or a disk failed; open it again"));
    } else if (handled.wakeAtMs !== undefined) {
      const wait = Math.min(Number(handled.wakeAtMs) - Date.now(), TIMER_MS_MAX);
      this.#timer = setTimeout(() => this.#handle([]), wait);
      this.#timer.unref();
    }
  }

  #end(error, last = () => {}) {
    this.#ended = error;
    clearTimeout(this.#timer);
    this.#waiting.splice(0).forEach(({ reject }) => reject(error));
    try {
      last();
    } finally {
      this.#actor = undefined;
    }
  }
}

/** What `not_found` answers is `undefined`, which no JSON is. */
async function orUndefined(reply) {
  try {
    return await reply;
  } catch (error) {
    if (error.code === "not_found") {
      return undefined;
    }
    throw error;
  }
}

/** A blank line is no event, and gets no reply. */
function isBlank(line) {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

/** The lines in these bytes, without their line feeds. */
function split(bytes) {
  const lines = [];
  for (let begin = 0; begin < bytes.length; ) {
    const end = bytes.indexOf(LINE_FEED, begin);
    lines.push(bytes.subarray(begin, end < 0 ? bytes.length : end));
    begin = end < 0 ? bytes.length : end + 1;
  }
  return lines;
}

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [member: string]: Json };

/** An event of docs/events.md: `type`, and the fields that it takes. */
export type Event = { type: string; id?: Json; [field: string]: Json | undefined };

/** The reply to an event that succeeded. */
export type Reply = { status: "ok"; id?: Json; [member: string]: Json | undefined };

/** The settings that actor.toml has for the store; each has a default. */
export interface Configuration {
  cache_bytes_max?: number;
  segment_bytes_max?: number;
  checkpoint_interval_bytes?: number;
  segments_open_max?: number;
}

/** What every refusal is. */
export class StoreError extends Error {
  private constructor();
  /** Stable: see the table of codes in docs/events.md. */
  code: string;
  /** The error reply, with the members that this code has. */
  reply: { [member: string]: Json };
}

/**
 * Opens a data directory, and makes it where there is none. It belongs to one
 * owner at a time: whoever opens it takes it over.
 */
export function open(directory: string, configuration?: Configuration): Promise<Store>;

/**
 * A promise that is kept says that the change is durable. What is asked for in
 * one turn of the event loop shares one sync: begin many, then await them all.
 */
export interface Store {
  /** Stores a value, and tells the version of this change. */
  put(key: string, value: Json): Promise<number>;
  /** The value, or undefined where there is none. */
  get(key: string): Promise<Json | undefined>;
  /** Whether there was something to delete. */
  delete(key: string): Promise<boolean>;
  /** Stores content under the SHA-1 of its canonical form, and tells it. */
  storeContent(content: Json): Promise<string>;
  /** The content, or undefined where there is none. */
  getContent(hash: string): Promise<Json | undefined>;
  /** Any event. An error reply is a StoreError. */
  send(event: Event): Promise<Reply>;
  /**
   * Events as text, one a line, and their replies, one a line: numbers keep
   * digits that a JavaScript number can't hold. Error replies are replies.
   */
  handle(events: string | Uint8Array): Promise<string>;
  /** Carries out what waits and ends in order; the next opening is faster. */
  close(): Promise<void>;
}

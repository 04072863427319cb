// The data directory as the component sees it: `wasi:filesystem` of the preview2
// shim, and three of its gaps closed.
//
// - The shim's preopened directory can be neither listed nor synced; a directory
//   that was opened in it can.
// - It passes on a failed read or write as an exception, which would end the
//   component; it gets an error code, as WASI has it.

import { createFilesystem } from "@bytecodealliance/preview2-shim/filesystem";

// As the shim has it.
const dispose = Symbol.dispose || Symbol.for("dispose");

/** The two interfaces of `wasi:filesystem`, with one preopened directory. */
export function preopen(path) {
  const filesystem = createFilesystem({ preopens: { data: path } });
  const [[root]] = filesystem.preopens.getDirectories();

  const attempt = (operation) => {
    try {
      return operation();
    } catch (error) {
      throw typeof error === "string" ? error : errorCode(filesystem, error);
    }
  };

  // What the component imports of a descriptor, and nothing else.
  class Descriptor {
    #inner;
    constructor(inner) {
      this.#inner = inner;
    }
    openAt(...place) {
      return new Descriptor(attempt(() => this.#inner.openAt(...place)));
    }
    statAt(...place) {
      return attempt(() => this.#inner.statAt(...place));
    }
    unlinkFileAt(name) {
      attempt(() => this.#inner.unlinkFileAt(name));
    }
    renameAt(from, directory, to) {
      attempt(() => this.#inner.renameAt(from, directory.#inner, to));
    }
    readDirectory() {
      return attempt(() => this.#inner.readDirectory());
    }
    stat() {
      return attempt(() => this.#inner.stat());
    }
    read(length, offset) {
      return attempt(() => this.#inner.read(length, offset));
    }
    write(bytes, offset) {
      return attempt(() => this.#inner.write(bytes, offset));
    }
    setSize(length) {
      attempt(() => this.#inner.setSize(length));
    }
    sync() {
      attempt(() => this.#inner.sync());
    }
    syncData() {
      attempt(() => this.#inner.syncData());
    }
    [dispose]() {
      this.#inner[dispose]();
    }
  }

  const { DirectoryEntryStream } = filesystem.types;
  const open = () => new Descriptor(root).openAt({}, ".", { directory: true }, { read: true });
  return {
    "wasi:filesystem/types": { Descriptor, DirectoryEntryStream },
    "wasi:filesystem/preopens": { getDirectories: () => [[open(), "data"]] },
    // Of the clock, the component takes a type and no function.
    "wasi:clocks/wall-clock": {},
  };
}

/** The shim's own table; what it does not know is an I/O error. */
function errorCode(filesystem, error) {
  try {
    return filesystem.types.filesystemErrorCode({ payload: error });
  } catch {
    return "io";
  }
}

"""Runs the store inside a Python program, on the package `wasmtime` alone:

python3 embed.py kv-store.wasm DIRECTORY < events.ndjson
"""

import sys
import time
from pathlib import Path

from wasmtime import Config, Engine, Store, WasiConfig
from wasmtime.component import Component, Linker

component, directory = sys.argv[1:]
Path(directory).mkdir(parents=True, exist_ok=True)

config = Config()
config.wasm_component_model = True
engine = Engine(config)
linker = Linker(engine)
linker.add_wasip2()
store = Store(engine)
wasi = WasiConfig()
wasi.preopen_dir(directory, "data")
store.set_wasi(wasi)
instance = linker.instantiate(store, Component.from_file(engine, component))
interface = instance.get_export_index(store, "ntwk:actor/actor@0.1.0")


def call(name, *arguments):
    function = instance.get_func(store, instance.get_export_index(store, name, interface))
    return function(store, *arguments)


opened = call("init", "{}")
# A result is told apart by its type: the report, or the record `failure`.
if not isinstance(opened, str):
    sys.exit(f"{opened.code}: {opened.message}")
print(opened, file=sys.stderr)

# A blank line is no event, and gets no reply.
events = [line.rstrip(b"\n") for line in sys.stdin.buffer if line.strip()]
while events:
    # One batch, one sync. It may be answered in part: the rest is handed in again.
    batch = b"".join(line + b"\n" for line in events[:64])
    handled = call("handle", batch, time.time_ns() // 1_000_000)
    replies = bytes(handled.replies)
    sys.stdout.buffer.write(replies)
    sys.stdout.buffer.flush()
    if handled.finished:
        sys.exit("the store has ended; open it again")
    events = events[replies.count(b"\n"):]
call("stop")

"""The Python program as a user runs it, and its directory in our own runtime.

`make test-python` runs it; KV_ACTOR is the binary.
"""

import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMPONENT = HERE.parent.parent / "target/component/kv-store.wasm"


def start(data):
    return subprocess.Popen(
        [sys.executable, HERE / "embed.py", COMPONENT, data],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def embed(data, events):
    process = start(data)
    replies, said = process.communicate(events)
    if process.returncode != 0:
        raise AssertionError(said.decode())
    return replies


def kv(data, *arguments):
    command = [os.environ["KV_ACTOR"], *arguments, "--data", data]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


class Embed(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data = Path(folder.name) / "data"

    def test_events_are_answered_in_order(self):
        replies = embed(
            self.data,
            b'{"type":"put","key":"a","value":{"n":1.10}}\n'
            b'\n{"type":"get","key":"a"}\n'
            b'{"type":"delete","key":"a"}\n'
            b'{"type":"store_content","content":"Hello"}\n'
            b'{"type":"get_content","hash":"ba9277fc4c6190fb875ad8f9cee848dba699937f"}\n'
            b'{"type":\n\xff\n{"type":"get","key":"a"}',
        ).splitlines()
        self.assertEqual(
            replies[:5],
            [
                b'{"status":"ok","key":"a","version":1}',
                b'{"status":"ok","key":"a","value":{"n":1.10},"version":1}',
                b'{"status":"ok","key":"a","deleted":true,"version":2}',
                b'{"status":"ok","hash":"ba9277fc4c6190fb875ad8f9cee848dba699937f","created":true}',
                b'{"status":"ok","hash":"ba9277fc4c6190fb875ad8f9cee848dba699937f","content":"Hello"}',
            ],
        )
        self.assertIn(b'"code":"invalid_json"', replies[5])
        self.assertIn(b'"code":"invalid_json"', replies[6])
        self.assertIn(b'"code":"not_found"', replies[7])
        self.assertEqual(len(replies), 8)

    def test_our_runtime_and_it_open_each_others_directories(self):
        embed(self.data, '{"type":"put","key":"a","value":[1.10,"é"]}\n'.encode())
        self.assertEqual(kv(self.data, "get", "a"), '[1.10,"é"]\n'.encode())
        kv(self.data, "put", "b", "2")
        self.assertEqual(
            embed(self.data, b'{"type":"get","key":"b"}\n'),
            b'{"status":"ok","key":"b","value":2,"version":2}\n',
        )

    def test_what_was_answered_outlives_a_kill(self):
        process = start(self.data)
        for number in range(10_000):
            process.stdin.write(b'{"type":"put","key":"%d","value":1}\n' % number)
        process.stdin.close()
        replies = [process.stdout.readline() for _ in range(1_000)]
        process.kill()
        replies += process.stdout.readlines()
        process.stdout.close()
        process.stderr.close()
        self.assertEqual(process.wait(), -signal.SIGKILL)
        answered = [reply for reply in replies if reply.endswith(b"}\n")]
        for number in (0, 999, len(answered) - 1):
            self.assertEqual(kv(self.data, "get", str(number)), b"1\n")

    def test_a_damaged_directory_is_refused(self):
        self.data.mkdir()
        (self.data / "00000001.jsonl").write_text("damaged\n")
        with self.assertRaisesRegex(AssertionError, "corrupt: 00000001.jsonl, line 1"):
            embed(self.data, b"")


if __name__ == "__main__":
    unittest.main()

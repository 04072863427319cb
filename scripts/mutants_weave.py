"""Writes a copy of the engine that has every mutant, of which KV_MUTANT chooses one.

A function with mutants becomes a `match` on the choice, with its body once for
each mutant and once as it was.
"""

import hashlib
import json
import os
import re
import subprocess
from collections import defaultdict

# Read once: a mutant is chosen when the process begins.
CHOICE = '''
/// Which mutant is chosen; 0 is none.
#[inline]
pub fn mutant() -> u32 {
    static CHOICE: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *CHOICE.get_or_init(|| std::env::var("KV_MUTANT").map_or(0, |number| number.parse().unwrap()))
}
'''


def environment():
    """What cargo is called with: the place of the Makefile's build is not ours."""
    return {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}


def weave(root, tree, mutants, cargo):
    """Writes the copy; the numbers, from 1, of the mutants that can't be in it."""
    alone = {number for number, mutant in enumerate(mutants, 1) if mutant["function"] is None}
    engine = sources(root)
    # Those that the compiler has refused already, of the same engine.
    kept = tree / "refused.json"
    if kept.exists() and (known := json.loads(kept.read_text()))["of"] == digest(engine, mutants):
        alone |= set(known["refused"])
    while True:
        texts = dict(engine)
        origins = defaultdict(dict)
        for file in {mutant["file"] for mutant in mutants}:
            here = [(number, mutant) for number, mutant in enumerate(mutants, 1)
                    if mutant["file"] == file and number not in alone]
            texts[file], unfit = woven(engine[file], here, origins[file])
            alone |= unfit
        texts["crates/engine/src/lib.rs"] += CHOICE
        write(tree, texts)
        refused = refusals(tree, origins, cargo)
        if not refused:
            known = {"of": digest(engine, mutants), "refused": sorted(alone)}
            kept.write_text(json.dumps(known))
            return alone
        alone |= refused


def write_one(root, tree, mutant):
    """Writes a copy that is one mutant."""
    texts = sources(root)
    text = texts[mutant["file"]]
    start, end = (place(text, mutant["span"][side]) for side in ("start", "end"))
    texts[mutant["file"]] = text[:start] + mutant["replacement"] + text[end:]
    write(tree, texts)


def write(tree, texts):
    """Writes a copy, only what has changed: so only that is built again."""
    for name, text in texts.items():
        path = tree / name
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def sources(root):
    """What the engine and the simulator are made of, as a workspace of its own."""
    paths = [root / "Cargo.toml", root / "Cargo.lock"]
    for name in ("engine", "protocol", "simulator"):
        paths += [path for path in (root / "crates" / name).rglob("*") if path.is_file()]
    texts = {str(path.relative_to(root)): path.read_text() for path in paths}
    manifest = re.sub(r"(?m)^members = .*$", 'members = ["crates/*"]', texts["Cargo.toml"])
    texts["Cargo.toml"] = re.sub(r"(?m)^default-members = .*$", "", manifest)
    return texts


def digest(texts, mutants):
    """Tells one state of the engine from another."""
    engine = {name: text for name, text in texts.items() if name.startswith("crates/engine/src/")}
    whole = json.dumps([engine, mutants], sort_keys=True)
    return hashlib.sha1(whole.encode()).hexdigest()


def woven(text, mutants, origins):
    """The text with these mutants in it, and the numbers of those that don't fit.
    `origins` receives which mutant each line of it comes from."""
    functions = defaultdict(list)
    spans = {tuple(place(text, mutant["function"]["span"][side]) for side in ("start", "end"))
             for _, mutant in mutants}
    for number, mutant in mutants:
        at = place(text, mutant["span"]["start"])
        # A function within another is part of that one's body.
        outermost = min(span for span in spans if span[0] <= at < span[1])
        functions[outermost].append((number, mutant))
    unfit = set()
    pieces = []
    done = 0
    for (start, end), here in sorted(functions.items()):
        body = body_of(text, start, end)
        # What the compiler computes can't ask the environment, and bodies may
        # return iterators of different types.
        if re.search(r"\bconst fn\b|-> *impl\b", text[start:body]):
            unfit |= {number for number, _ in here}
            continue
        pieces.append((text[done:body] + "{ match crate::mutant() {\n", None))
        for number, mutant in here:
            first, last = place(text, mutant["span"]["start"]), place(text, mutant["span"]["end"])
            changed = text[body:first] + mutant["replacement"] + text[last:end]
            pieces.append((f"{number} => {changed}\n", number))
        pieces.append((f"_ => {text[body:end]}\n}} }}\n", None))
        done = end
    pieces.append((text[done:], None))
    line = 1
    for piece, number in pieces:
        count = piece.count("\n")
        if number is not None:
            origins.update(dict.fromkeys(range(line, line + count), number))
        line += count
    return "".join(piece for piece, _ in pieces), unfit


def place(text, position):
    """Where a line and column are in a text."""
    lines = text.split("\n")[:position["line"] - 1]
    return sum(len(line) + 1 for line in lines) + position["column"] - 1


def body_of(text, start, end):
    """Where the body begins of the function that these two enclose."""
    # Texts and comments may hold braces; a lifetime is no character.
    token = re.compile(r'//[^\n]*|r#*"|"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.[^\']*)\'|[{}()\[\]]', re.S)
    depth = 0
    for found in token.finditer(text, start, end):
        word = found.group()
        if word == "{" and depth == 0:
            return found.start()
        depth += (word in "([{") - (word in ")]}")
    raise ValueError(f"no body in {text[start:end]}")


def refusals(tree, origins, cargo):
    """The mutants that the compiler refuses."""
    command = ["cargo", "build", "--package", "kv-engine", "--lib", "--message-format", "json", *cargo]
    output = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, check=False, env=environment())
    refused = set()
    unknown = []
    for line in output.stdout.splitlines():
        message = json.loads(line).get("message")
        if not isinstance(message, dict) or message["level"] != "error" or not message["spans"]:
            continue
        numbers = {origins[span["file_name"]].get(at) for span in message["spans"]
                   if span["is_primary"] for at in range(span["line_start"], span["line_end"] + 1)}
        refused |= numbers - {None}
        if numbers <= {None}:
            unknown.append(message["rendered"])
    assert output.returncode == 0 or refused, "\n".join(unknown)
    return refused

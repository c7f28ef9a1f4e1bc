#!/usr/bin/env python3
"""Reads the compiler's call graph of the core: usage calls.py COMPILER SOURCE (gcc 10 or later)

SEC-5: nothing calls itself, not through others either, and every frame has a size that is known when compiling (no
variable-length arrays, no alloca). Calls through pointers leave the core: to the port, the source, the mailbox, the observer.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

compiler, source = sys.argv[1], pathlib.Path(sys.argv[2])
frames, calls, problems = {}, {}, []
with tempfile.TemporaryDirectory() as folder:
    for path in sorted((source / "library").glob("*.c")):
        graph = pathlib.Path(folder, path.stem + ".ci")
        subprocess.run([compiler, "-std=c99", "-O1", "-fno-inline", "-fcallgraph-info=su", "-I" + str(source / "include"), "-c", str(path),
                        "-o", str(graph.with_suffix(".o"))], check=True)
        text = graph.read_text()
        for name, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]*)"', text):
            if "bytes (" in label:
                frames[name] = label
        for caller, callee in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            calls.setdefault(caller, set()).add(callee)

for name, label in sorted(frames.items()):
    if not re.search(r"bytes \((static|dynamic,bounded)\)", label):
        problems.append("%s: its frame has no size that is known" % name)

open_, done = [], set()


def visit(name):
    if name in open_:
        problems.append("calls itself: " + " > ".join(open_[open_.index(name):] + [name]))
    elif name not in done:
        open_.append(name)
        for callee in sorted(calls.get(name, ())):
            visit(callee)
        open_.pop()
        done.add(name)


for name in sorted(frames):
    visit(name)
for problem in problems:
    print(problem)
print("%d functions of the core, %d that call others" % (len(frames), len(calls)))
sys.exit(1 if problems or len(frames) < 300 else 0)

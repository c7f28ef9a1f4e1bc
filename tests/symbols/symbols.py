#!/usr/bin/env python3
"""Reads the symbols of the core's archive, and its includes: usage symbols.py ARCHIVE NM SOURCE

PORT-1, PORT-5, PORT-6, SEC-16: nothing is allocated, kept, asked of a locale or listened on by a core that can call nobody.

Fails if an object of the core has writable data, or needs anything but the core itself, mem* and strlen (and the
compiler's own helpers, listed here by name), or if a header or source includes what is above it.
"""
import pathlib
import re
import subprocess
import sys

LIBRARY = {"memchr", "memcmp", "memcpy", "memmove", "memset", "strlen"}
# The compiler's own: stack protection (a distribution's default flags) and position independence.
HELPERS = {"__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"}

# The stack of ideas (docs/design.md): a room may include those before it, and nothing else.
STACK = ["config", "status", "span", "ip", "base64", "address", "dns", "header", "mail", "compose", "observer", "route", "reply", "auth", "body", "dkim",
         "resolver", "mx", "port", "mailbox", "smtp", "lookup", "delivery", "mailmote"]
PLAIN = {"stddef.h", "stdint.h", "stdbool.h", "string.h"}

archive, nm, source = sys.argv[1:4]
problems = []
defined, needed = set(), {}
member = "?"
for line in subprocess.run([nm, archive], capture_output=True, text=True, check=True).stdout.splitlines():
    if line.endswith(".o:"):
        member = line[:-1]
    match = re.match(r"^([0-9a-f]*)\s+([A-Za-z])\s+(\S+)$", line)
    if not match:
        continue
    kind, name = match.group(2), match.group(3)
    if kind == "U":
        needed.setdefault(name, member)
    else:
        defined.add(name)
for name, member in sorted(needed.items()):
    if name not in defined | LIBRARY | HELPERS:
        problems.append("%s needs %s" % (member, name))

sizes = subprocess.run(["size", "-A", archive], capture_output=True, text=True, check=True).stdout
for line in sizes.splitlines():
    words = line.split()
    if line.endswith("(ex %s):" % archive) or ":" in line:
        member = words[0] if words else member
    # .data.rel.ro is constant: tables of pointers that a position-independent program relocates once
    if words and re.match(r"^\.(data|bss|tdata|tbss)", words[0]) and not words[0].startswith(".data.rel.ro") and words[1] != "0":
        problems.append("%s has %s bytes of %s" % (member, words[1], words[0]))

for path in sorted(pathlib.Path(source).glob("include/mailmote/*.h")) + sorted(pathlib.Path(source).glob("library/*.c")):
    room = path.stem.replace("mote_", "")
    if room not in STACK:
        problems.append("%s: a room that is not in the stack of ideas" % path.name)
        continue
    for include in re.findall(r'#include\s+[<"]([^>"]+)[>"]', path.read_text()):
        below = re.match(r"mailmote/(\w+)\.h$", include)
        if include in PLAIN:
            continue
        if not below or below.group(1) not in STACK:
            problems.append("%s includes %s" % (path.name, include))
        elif STACK.index(below.group(1)) > STACK.index(room) or (path.suffix == ".h" and below.group(1) == room):
            problems.append("%s includes %s, which is above it" % (path.name, include))

print("\n".join(problems) or "%d symbols needed, none of them foreign: %s" % (
    len(needed), " ".join(sorted(set(needed) & (LIBRARY | HELPERS)))))
sys.exit(1 if problems else 0)

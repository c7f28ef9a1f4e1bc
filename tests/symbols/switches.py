#!/usr/bin/env python3
"""Every switch of config.h off, alone: the core still compiles without a warning. usage: switches.py COMPILER SOURCE

PORT-11: so do the builds for one address family only.
"""
import pathlib
import re
import subprocess
import sys

compiler, source = sys.argv[1], pathlib.Path(sys.argv[2])
flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wswitch-enum", "-Wundef", "-Wvla",
         "-Wstrict-prototypes", "-Wmissing-prototypes", "-Werror", "-fsyntax-only", "-I%s" % (source / "include")]
files = [str(path) for path in sorted(source.glob("library/*.c"))]
switches = re.findall(r"^#define (MOTE_FEATURE_\w+)", (source / "include/mailmote/config.h").read_text(), re.M)
bad = 0
for switch in switches:
    done = subprocess.run([compiler, *flags, "-D%s=0" % switch, *files], capture_output=True, text=True)
    if done.returncode:
        bad += 1
        print("%s=0:\n%s" % (switch, done.stderr))
print("%d switches, %d of them do not compile without" % (len(switches), bad))
sys.exit(1 if bad or not switches else 0)

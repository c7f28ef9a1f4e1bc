#!/usr/bin/env python3
"""Every switch of config.h off, every two of them, and all but one address family: the core still compiles without a
warning. usage: switches.py COMPILER SOURCE

PORT-11: so do the builds for one address family only.
"""
import itertools
import pathlib
import re
import subprocess
import sys

compiler, source = sys.argv[1], pathlib.Path(sys.argv[2])
flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wswitch-enum", "-Wundef", "-Wvla",
         "-Wstrict-prototypes", "-Wmissing-prototypes", "-Werror", "-S", "-o", "/dev/null", "-I%s" % (source / "include")]
files = [str(path) for path in sorted(source.glob("library/*.c")) if "MOTE_FEATURE_" in path.read_text()]
switches = re.findall(r"^#define (MOTE_FEATURE_\w+)", (source / "include/mailmote/config.h").read_text(), re.M)
FAMILIES = {"MOTE_FEATURE_IPV4", "MOTE_FEATURE_IPV6"}
sets = [{switch} for switch in switches] + [set(pair) for pair in itertools.combinations(switches, 2)] + \
    [set(switches) - {family} for family in FAMILIES]
sets = [off for off in sets if not FAMILIES <= off]
bad = 0
for off in sets:
    switched = ["-D%s=0" % switch for switch in sorted(off)]
    done = [subprocess.run([compiler, *flags, *switched, path], capture_output=True, text=True) for path in files]
    if any(one.returncode for one in done):
        bad += 1
        print("%s off:\n%s" % (", ".join(sorted(off)), "".join(one.stderr for one in done)))
print("%d switches, %d sets of them off, %d of which do not compile" % (len(switches), len(sets), bad))
sys.exit(1 if bad or not switches else 0)

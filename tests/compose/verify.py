"""Verifies DKIM signatures with python3-dkim: verify.py RECORD FILE...; names each that does not hold."""
import pathlib
import sys

import dkim

record, bad = sys.argv[1].encode(), 0
for name in sys.argv[2:]:
    try:
        holds = dkim.verify(pathlib.Path(name).read_bytes(), dnsfunc=lambda _name, timeout=5: record)
    except dkim.DKIMException as error:
        holds = False
        print(error)
    if not holds:
        bad += 1
        print("%s: no valid signature" % name)
sys.exit(1 if bad else 0)

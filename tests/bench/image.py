#!/usr/bin/env python3
"""Flash and static RAM of a whole firmware image, by part, from its map: image.py BUILD/BOARD.map..."""
import pathlib
import re
import sys

PARTS = [("mailmote, core", r"libmote\w*\.a\(mote_(?!mbedtls|tls_name)"), ("mailmote, lwIP port", r"libmote\w*\.a\(lwip_"),
         ("mailmote, TLS port", r"libmote\w*\.a\(mote_(mbedtls|tls_name)"), ("lwIP", r"liblwip\.a"), ("mbedTLS", r"libmbedtls\w*\.a"),
         ("C library, compiler", r"/(libc|libgcc|libm)\.a"), ("the application and its board", r"")]
FLASH, RAM = re.compile(r"\.(text|rodata|vectors|ARM\.exidx)"), re.compile(r"\.(bss|COMMON)|COMMON")


def sections(path):
    """(section, size, file) of everything that was linked, outside of what was thrown away."""
    text = path.read_text()
    text = text[text.index("Linker script and memory map"):]
    text = re.sub(r"\n (\.\S+|COMMON)\n\s+", r"\n \1 ", text)  # a long name stands on a line of its own
    for name, size, file in re.findall(r"^ (\.\S+|COMMON)\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S.*)$", text, re.M):
        yield name, int(size, 16), file


def main():
    for path in map(pathlib.Path, sys.argv[1:]):
        flash = dict.fromkeys((name for name, _ in PARTS), 0)
        ram = dict(flash)
        for section, size, file in sections(path):
            part = next(name for name, pattern in PARTS if re.search(pattern, file))
            is_data = section.startswith(".data")
            flash[part] += size if is_data or FLASH.match(section) else 0
            ram[part] += size if is_data or RAM.match(section) else 0
        print("| %s | flash | static RAM |\n|---|---|---|" % path.stem)
        for name, _ in PARTS:
            print("| %s | %d | %d |" % (name, flash[name], ram[name]))
        print("| **in all** | **%d** | **%d** |\n" % (sum(flash.values()), sum(ram.values())))


main()

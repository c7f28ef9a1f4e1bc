#!/usr/bin/env python3
"""Flash, RAM and stack of the core on Cortex-M, as Markdown: usage size.py SOURCE SCRATCH [--check]

flash   what a linker keeps of the core with --gc-sections when an application uses start, step and stop of a delivery;
        the compiler's own helpers counted, mem* and strlen not
ram     sizes of the contexts that a caller places
stack   the deepest path through the core by the compiler's own call graph; calls through pointers (the port, the
        source, the mailbox, the observer) are listed and not counted
With --check nothing is printed but where docs/footprint.md says otherwise (Cortex-M0+; exit code 1), if it was measured
with the compiler that is here (else 77).
"""
import collections
import pathlib
import re
import subprocess
import sys

SOURCE, SCRATCH = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
SCRATCH.mkdir(parents=True, exist_ok=True)
CPUS = ["cortex-m0plus", "cortex-m4"]
FLAGS = ["-mthumb", "-Os", "-std=c99", "-ffunction-sections", "-fdata-sections", "-fshort-enums", "--specs=picolibc.specs"]
LEAN = ["-DMOTE_FEATURE_MX=0", "-DMOTE_FEATURE_IPV6=0", "-DMOTE_FEATURE_AUTH=0", "-DMOTE_FEATURE_TLS=0",
        "-DMOTE_FEATURE_LOCAL=0", "-DMOTE_FEATURE_OBSERVER=0", "-DMOTE_FEATURE_DNS_TCP=0"]
SWITCHES = ["MX", "IPV4", "IPV6", "DNS_TCP", "PIPELINING", "TLS", "AUTH", "LOCAL", "OBSERVER"]
NOT_COUNTED = {"memcpy", "memset", "memmove", "memcmp", "memchr", "strlen"}
BUDGET = {"device": 10240, "lean": 6144, "ram": 1024, "stack": 512}

MAIN = """
#include <mailmote/mailmote.h>
extern mote_settings_t settings; extern mote_dns_settings_t dns; extern mote_mail_t mail; extern const mote_port_t port;
mote_delivery_t delivery;
static uint8_t room[MOTE_ROOM_BYTES];
void _start(void) {
    mote_buffer_t out = { room, sizeof room, 0 };
    if (mote_delivery_start(&delivery, &settings, &dns, &mail, &port, 0, out, 0) == MOTE_OK) {
        while (!mote_delivery_has_ended(&delivery)) mote_delivery_step(&delivery, 0);
        mote_delivery_stop(&delivery, 0);
    }
}
mote_settings_t settings; mote_dns_settings_t dns; mote_mail_t mail; const mote_port_t port;
"""
SIZES = ["mote_delivery_t", "mote_smtp_t", "mote_resolver_t", "mote_lookup_t", "mote_body_t", "mote_recipient_t",
         "mote_mail_t", "mote_memory_source_t", "mote_settings_t", "mote_hop_t", "mote_message_t", "mote_part_t", "mote_compose_t",
         "mote_dkim_t"]


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def build(cpu, options, name):
    """Links the core under a root that uses a delivery. Returns (bytes by room, bytes of helpers)."""
    folder = SCRATCH / (cpu + "-" + name)
    folder.mkdir(exist_ok=True)
    (folder / "main.c").write_text(MAIN)
    flags = ["arm-none-eabi-gcc", "-mcpu=" + cpu, *FLAGS, *options, "-I" + str(SOURCE / "include")]
    objects = []
    for source in sorted((SOURCE / "library").glob("*.c")) + [folder / "main.c"]:
        target = folder / (source.stem + ".o")
        run(*flags, "-fcallgraph-info=su", "-c", str(source), "-o", str(target))
        objects.append(str(target))
    elf, mapfile = folder / "core.elf", folder / "core.map"
    run(*flags, "-nostartfiles", "-Wl,--gc-sections", "-Wl,-Map=" + str(mapfile), "-Wl,-e,_start",
        "-Wl,--unresolved-symbols=ignore-all", *objects, "-o", str(elf))
    rooms, helpers = collections.Counter(), 0
    section = None
    for line in mapfile.read_text().split("Linker script and memory map")[1].splitlines():
        match = re.match(r"^ (\.\S+)?\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S+)$", line) or \
            re.match(r"^ +0x[0-9a-f]+()\s+0x([0-9a-f]+) (\S+)$", line)
        named = re.match(r"^ (\.\S+)$", line)
        if named:
            section = named.group(1)
            continue
        if not match:
            continue
        where, size, origin = match.group(1) or section, int(match.group(2), 16), match.group(3)
        section = None
        if not where or not re.match(r"\.(text|rodata)", where):
            continue
        if "mote_" in origin and origin.endswith(".o"):
            rooms[pathlib.Path(origin).stem.replace("mote_", "")] += size
        elif "libgcc" in origin or "libc" in origin:
            if where.split(".")[-1] not in NOT_COUNTED and not any(n in origin for n in NOT_COUNTED):
                helpers += size
    return rooms, helpers


def context_sizes(cpu, options):
    source = SCRATCH / "sizes.c"
    source.write_text("#include <mailmote/compose.h>\n#include <mailmote/dkim.h>\n#include <mailmote/mailmote.h>\n" + "".join("char size_of_%s[sizeof(%s)];\n" % (t, t) for t in SIZES))
    target = SCRATCH / "sizes.o"
    run("arm-none-eabi-gcc", "-mcpu=" + cpu, *FLAGS, *options, "-I" + str(SOURCE / "include"), "-c", str(source), "-o", str(target))
    out = {}
    for line in run("arm-none-eabi-nm", "-S", str(target)).splitlines():
        words = line.split()
        out[words[3].replace("size_of_", "")] = int(words[1], 16)
    return out


def deepest(folder):
    size, calls, indirect = {}, collections.defaultdict(set), set()
    for path in folder.glob("mote_*.ci"):
        for line in path.read_text().splitlines():
            match = re.match(r'node: \{ title: "([^"]+)" label: "[^"]*?(\d+) bytes', line)
            if match:
                size[match.group(1)] = int(match.group(2))
            match = re.match(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', line)
            if match:
                calls[match.group(1)].add(match.group(2))
                if match.group(2) == "__indirect_call":
                    indirect.add(match.group(1).split(":")[-1])

    def deep(name, seen):
        best = max((deep(c, seen | {name}) for c in calls[name] if c in size and c not in seen), default=(0, []))
        return size[name] + best[0], [name.split(":")[-1]] + best[1]
    best = max((deep(name, {name}) for name in size), default=(0, []))
    return best[0], best[1], sorted(indirect)


def title():
    return "## Flash and RAM (%s)" % run("arm-none-eabi-gcc", "--version").splitlines()[0]


def budget_line(kind, got):
    return "Budget, %s on %s: %d; measured %d (%+d)." % (kind, CPUS[0], BUDGET[kind], got, got - BUDGET[kind])


def ram_line(sizes):
    whole = sizes["mote_delivery_t"] + 4 * sizes["mote_recipient_t"] + 256
    return whole, "One delivery with 4 recipient records and the least room for commands (256): %d bytes; budget %d (%+d)." % (
        whole, BUDGET["ram"], whole - BUDGET["ram"])


def check():
    said = (SOURCE / "docs/footprint.md").read_text()
    if title() not in said:
        sys.exit(77)
    lines = []
    for kind, options in (("device", []), ("lean", LEAN)):
        rooms, helpers = build(CPUS[0], options, kind)
        lines.append(budget_line(kind, sum(rooms.values()) + helpers))
    lines.append(ram_line(context_sizes(CPUS[0], []))[1])
    lines.append("| %s | %d |" % (CPUS[0], deepest(SCRATCH / (CPUS[0] + "-device"))[0]))
    wrong = [line for line in lines if line not in said]
    for line in wrong:
        print("measured, but not so in docs/footprint.md (scripts/bench makes it anew): " + line)
    sys.exit(1 if wrong else 0)


def main():
    over = []
    print(title() + "\n")
    print("`-Os`, linked with `--gc-sections`; compiler helpers counted, `mem*` and `strlen` not. Bytes.\n")
    builds = {}
    for cpu in CPUS:
        builds[cpu, "device"] = build(cpu, [], "device")
        builds[cpu, "lean"] = build(cpu, LEAN, "lean")
    rooms = sorted(builds[CPUS[0], "device"][0], key=lambda r: -builds[CPUS[0], "device"][0][r])
    columns = [(cpu, kind) for kind in ("device", "lean") for cpu in CPUS]
    print("| room | " + " | ".join("%s, %s" % (kind, cpu) for cpu, kind in columns) + " |")
    print("|---|" + "---|" * len(columns))
    for room in rooms:
        print("| %s | " % room + " | ".join(str(builds[c][0].get(room, 0)) for c in columns) + " |")
    print("| compiler helpers | " + " | ".join(str(builds[c][1]) for c in columns) + " |")
    totals = {c: sum(builds[c][0].values()) + builds[c][1] for c in columns}
    print("| **in all** | " + " | ".join("**%d**" % totals[c] for c in columns) + " |")
    print("\n*device*: the default configuration. *lean*: relay only, IPv4, no AUTH, TLS, local mailbox, observer or DNS over TCP.\n")
    for kind in ("device", "lean"):
        got = totals[CPUS[0], kind]
        print(budget_line(kind, got))
        if got > BUDGET[kind]:
            over.append("flash, " + kind)
    print("\n### What a switch costs (Cortex-M0+, the default less that one)\n\n| switch | bytes |\n|---|---|")
    for switch in SWITCHES:
        less = build(CPUS[0], ["-DMOTE_FEATURE_%s=0" % switch], "less-" + switch.lower())
        print("| MOTE_FEATURE_%s | %d |" % (switch, totals[CPUS[0], "device"] - sum(less[0].values()) - less[1]))
    print("\n### Contexts a caller places (32-bit)\n\n| type | bytes |\n|---|---|")
    sizes = context_sizes(CPUS[0], [])
    for name in SIZES:
        print("| %s | %d |" % (name, sizes[name]))
    whole, line = ram_line(sizes)
    print("\n%s Rooms for the servers' words are the caller's choice." % line)
    if whole > BUDGET["ram"]:
        over.append("ram")
    print("\n### Deepest stack\n\n| core | bytes | path |\n|---|---|---|")
    for cpu in CPUS:
        depth, path, indirect = deepest(SCRATCH / (cpu + "-device"))
        print("| %s | %d | %s |" % (cpu, depth, " > ".join(path)))
        if depth > BUDGET["stack"]:
            over.append("stack on " + cpu)
    print("\nBudget %d. Calls through pointers, not counted, leave from: %s." % (BUDGET["stack"], ", ".join(indirect)))
    print("\n%s" % ("Over budget: " + "; ".join(over) + "." if over else "Every budget holds."))


check() if sys.argv[3:] == ["--check"] else main()

#!/usr/bin/env python3
"""Adds up line coverage per folder and prints it; fails below 95 % in total.

usage: coverage_summary.py [--files] LCOV < FILES

Of FILES, one on each line, counts what is code of the library: no tests and
nothing that is for tests only. A source file of which LCOV has nothing counts
with all its lines that are not blank, comments or preprocessor's.
"""

import collections
import pathlib
import re
import sys

LEAST = 95.0

# For tests only.
NOT_COUNTED = re.compile(
    r"(_test\.cc|_stress_test\.cc|_model\.(h|cc)|_fixture\.h|/testing\.h|/token\.h"
    r"|/fake_[^/]*|/recording_[^/]*|acrn/requests\.h|_script\.h"
    r"|/roster_text\.h)$"
)
# Beside the engine: what hands calls to the kernel or to a library and has no
# hypervisor to hand them to here, and what stands in for the kernel
# (tools/coverage --help says so, too).
CALLS_ONLY = re.compile(
    r"backends/ioreq/(acrn/(hsm|local_hsm|msi|irqfd_router|doorbells|memory_segments)"
    r"|xen/(libraries|msi|hypervisor))\.(h|cc)$"
)


def counted(name):
    return (
        name.endswith((".cc", ".h"))
        and not NOT_COUNTED.search(name)
        and not CALLS_ONLY.search(name)
    )


def read_lcov(path):
    """Of each file, its lines and how often each was reached."""
    lines = collections.defaultdict(lambda: collections.defaultdict(int))
    name = None
    for record in path.read_text().splitlines():
        if record.startswith("SF:"):
            name = record[3:].removeprefix("/proc/self/cwd/").removeprefix("./")
        elif record.startswith("DA:"):
            line, count = record[3:].split(",")[:2]
            lines[name][int(line)] += int(count)
    return lines


def lines_of_source(path):
    return {
        number: 0
        for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1)
        if line.strip() and not line.strip().startswith(("//", "#"))
    }


def folder_of(name):
    return "core/protocol" if name.startswith("core/protocol/") else str(pathlib.Path(name).parent)


def main(arguments):
    files = "--files" in arguments
    lcov = read_lcov(pathlib.Path(arguments[-1]))
    folders = collections.defaultdict(lambda: [0, 0])
    for name in sorted(filter(counted, sys.stdin.read().split())):
        lines = lcov.get(name)
        if lines is None:
            if name.endswith(".h"):
                continue  # Declarations.
            lines = lines_of_source(name)
        reached = sum(1 for count in lines.values() if count)
        for key in (folder_of(name), "total"):
            folders[key][0] += reached
            folders[key][1] += len(lines)
        if files and reached < len(lines):
            missed = " ".join(str(line) for line, count in sorted(lines.items()) if not count)
            print(f"{name}: {reached} of {len(lines)} lines; not: {missed}")
    total = folders.pop("total")
    for name, (reached, lines) in sorted(folders.items()) + [("total", total)]:
        print(f"{100 * reached / lines:6.1f} %  {reached:5} of {lines:5} lines  {name}")
    return 0 if 100 * total[0] >= LEAST * total[1] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

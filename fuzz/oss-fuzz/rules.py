#!/usr/bin/env python3
# Copyright 2026 The ivshmem Authors
# SPDX-License-Identifier: Apache-2.0
"""Prints a makefile that builds fuzz targets without Bazel.

usage: rules.py TARGET...    (in the repository's root)

What a target is made of follows from what its sources include: x.h that is
included is defined in x.cc, if that is there, and in each x_y.cc that includes it
and has no header of its own; the C interface is all of capi/; and x.pb.h comes of
x.proto.
"""

import pathlib
import re
import sys

HEAD = """\
.PHONY: all
all: {outputs}
.SECONDARY:

$(WORK)/generated/%.pb.cc: %.proto
\tprotoc --proto_path=. --cpp_out=$(WORK)/generated $<
$(WORK)/generated/%.pb.h: $(WORK)/generated/%.pb.cc ;
$(WORK)/objects/%.o: %.cc | {headers}
\t@mkdir -p $(@D)
\t@echo $<
\t@$(CXX) $(CXXFLAGS) -MMD -c $< -o $@
$(WORK)/objects/%.o: $(WORK)/generated/%.cc | {headers}
\t@mkdir -p $(@D)
\t@echo $<
\t@$(CXX) $(CXXFLAGS) -w -MMD -c $< -o $@
-include $(shell find $(WORK)/objects -name '*.d' 2> /dev/null)
"""


INTERFACE = pathlib.Path("capi/include/ivshmem/ivshmem.h")


def place(name):
    """Where that is which is included as `name`."""
    name = re.sub(r"\.pb\.h$", ".proto", name)
    if name == "ivshmem/ivshmem.h":
        return INTERFACE
    return pathlib.Path(name.removeprefix("ivshmem/"))


def included(path):
    """What `path` includes or imports of this repository."""
    pattern = r'^import "(.*)";' if path.suffix == ".proto" else r'^#include "(.*)"'
    for name in re.findall(pattern, path.read_text(encoding="utf-8"), re.MULTILINE):
        if place(name).exists():
            yield place(name)


def definitions(header):
    """The sources that define what `header` declares."""
    if header == INTERFACE:
        return [path for path in pathlib.Path("capi").glob("*.cc") if not path.stem.endswith("_test")]
    own = header.with_suffix(".cc")
    parts = [
        path
        for path in header.parent.glob(f"{header.stem}_*.cc")
        if not path.stem.endswith(("_test", "_fuzz"))
        and not path.with_suffix(".h").exists()
        and header in included(path)
    ]
    return [own, *parts] if own.exists() else parts


def closure(source):
    """All sources and .proto files that `source` needs, with itself."""
    seen, left = set(), [source]
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        left += included(path)
        if path.suffix == ".h":
            left += definitions(path)
    return sorted(path for path in seen if path.suffix != ".h")


def object_of(path):
    name = path.with_suffix(".pb.o" if path.suffix == ".proto" else ".o")
    return f"$(WORK)/objects/{name}"


def main(targets):
    sources = {target: closure(pathlib.Path(f"fuzz/{target}_fuzz.cc")) for target in targets}
    protos = sorted({path for paths in sources.values() for path in paths if path.suffix == ".proto"})
    headers = " ".join(f"$(WORK)/generated/{path.with_suffix('.pb.h')}" for path in protos)
    print(HEAD.format(outputs=" ".join(f"$(OUT)/{target}" for target in targets), headers=headers))
    for target, paths in sources.items():
        objects = " ".join(object_of(path) for path in paths)
        print(f"$(OUT)/{target}: {objects}")
        print("\t@echo $@\n\t@$(CXX) $(CXXFLAGS) $^ -o $@ $(LIB_FUZZING_ENGINE) $(LIBRARIES)")


if __name__ == "__main__":
    main(sys.argv[1:])

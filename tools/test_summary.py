#!/usr/bin/env python3
"""Adds up what tools/test ran and prints it; fails if anything failed.

usage: test_summary.py RESULTS CONFIG...

RESULTS/CONFIG.status holds the exit status of the check. A configuration that
ran tests also has RESULTS/CONFIG.json, Bazel's build events, which name the
test.xml of each test of this very run, cached or not. Going by these, and not
by the files that lie under bazel-testlogs, counts no case twice and none of a
test that is gone.

Cases that need KVM have recorded a property "kvm", "ran" or "skipped"
(testing/kvm/require_kvm.h). The line before the last says how many there were.
"""

import json
import pathlib
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree


# What has no cases of its own.
CHECKS = ("format", "conformance", "documents", "reference", "tidy", "shipped-tidy")


class Tally:
    """The cases of one configuration; failed and skipped ones by name."""

    def __init__(self):
        self.targets = 0
        self.passed = 0
        self.failed = []
        self.skipped = []
        self.kvm_ran = 0
        self.kvm_skipped = 0

    def __str__(self):
        cases = f"{self.passed} passed, {len(self.failed)} failed"
        return cases + (f", {len(self.skipped)} skipped" if self.skipped else "")


def kvm_of(case):
    """What the case has recorded of KVM: None when it does not need it."""
    for recorded in case.iter("property"):
        if recorded.get("name") == "kvm":
            return recorded.get("value")
    return None


def add_cases(tally, label, xml_path):
    """Counts the cases in a test.xml of GoogleTest, or of Bazel for other tests."""
    for case in ElementTree.parse(xml_path).iter("testcase"):
        name = label
        if case.get("classname"):  # Else Bazel wrote it: the target is the case.
            name += f" {case.get('classname')}.{case.get('name')}"
        ran = True
        if case.find("failure") is not None or case.find("error") is not None:
            tally.failed.append(name)
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            tally.skipped.append(name)
            ran = False
        else:
            tally.passed += 1
        kvm = kvm_of(case)
        tally.kvm_ran += ran and kvm == "ran"
        tally.kvm_skipped += kvm == "skipped"


def add_result(tally, label, result):
    """Counts one run of a test (of a shard, if the test has several)."""
    failed_before = len(tally.failed)
    xml = [file["uri"] for file in result.get("testActionOutput", []) if file["name"] == "test.xml"]
    try:
        if xml:
            add_cases(tally, label, urllib.parse.unquote(urllib.parse.urlparse(xml[0]).path))
    except (OSError, ElementTree.ParseError) as error:
        tally.failed.append(f"{label} (unreadable test.xml: {error})")
    # All cases may pass in a process that fails: a sanitizer's report at exit.
    if result["status"] != "PASSED" and len(tally.failed) == failed_before:
        tally.failed.append(f"{label} ({result['status']})")


def read_events(tally, path):
    """Counts all tests of one `bazel test`."""
    results = {}  # (label, run, shard) -> result of the last attempt
    unbuilt = set()
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        event = json.loads(line)
        if "testResult" in event["id"]:
            key = event["id"]["testResult"]
            results[key["label"], key.get("run"), key.get("shard")] = event["testResult"]
        elif "targetCompleted" in event["id"] and not event.get("completed", {}).get("success"):
            unbuilt.add(event["id"]["targetCompleted"]["label"])
    for (label, _, _), result in sorted(results.items()):
        add_result(tally, label, result)
    tally.targets = len({label for label, _, _ in results})
    tally.failed += [f"{label} (not built)" for label in sorted(unbuilt)]


def kvm_line(tallies):
    """How many of the cases that need KVM could run, in all configurations."""
    ran = sum(tally.kvm_ran for tally in tallies)
    skipped = sum(tally.kvm_skipped for tally in tallies)
    if skipped:
        return f"KVM: {ran} ran, {skipped} skipped: no /dev/kvm"
    return f"KVM: {ran} tests ran"


def main(results, configs):
    tallies = {}
    for config in configs:
        tally = tallies[config] = Tally()
        status = int((results / f"{config}.status").read_text())
        if config in CHECKS:
            tally.passed, tally.failed = (0, [config]) if status else (1, [])
            continue
        read_events(tally, results / f"{config}.json")
        if not tally.targets:
            tally.failed.append("no test ran")
        elif status and not tally.failed:
            tally.failed.append(f"bazel exited with status {status}")

    for heading in ("skipped", "failed"):
        names = [(config, name) for config, tally in tallies.items() for name in getattr(tally, heading)]
        if names:
            print(f"\n{heading.capitalize()}:")
            print("\n".join(f"  {config}: {name}" for config, name in names))
    print()
    for config, tally in tallies.items():
        print(f"{config:12} {f'{tally.targets} test targets:' if tally.targets else '':17} {tally}")

    if any(tally.targets for tally in tallies.values()):
        print(kvm_line(tallies.values()))

    total = Tally()
    for tally in tallies.values():
        total.passed += tally.passed
        total.failed += tally.failed
    # The last line has no more than this, whatever was skipped (above, by name).
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2:]))

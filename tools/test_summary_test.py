#!/usr/bin/env python3
"""What tools/test_summary.py prints of made-up results."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name("test_summary.py")

KVM_RAN = '<properties><property name="kvm" value="ran"/></properties>'
KVM_SKIPPED = '<properties><property name="kvm" value="skipped"/></properties><skipped/>'


class SummaryTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def check(self, config, status):
        (self.folder / f"{config}.status").write_text(str(status))

    def bazel(self, config, cases, status=0, result="PASSED"):
        """A run of one target, whose cases have these elements inside."""
        xml = self.folder / f"{config} test.xml"
        xml.write_text(
            "<testsuites><testsuite>"
            + "".join(f'<testcase classname="C" name="T{i}">{case}</testcase>' for i, case in enumerate(cases))
            + "</testsuite></testsuites>"
        )
        event = {
            "id": {"testResult": {"label": "//a:b", "run": 1, "shard": 1}},
            "testResult": {
                "status": result,
                "testActionOutput": [{"name": "test.xml", "uri": xml.as_uri()}],
            },
        }
        (self.folder / f"{config}.json").write_text(json.dumps(event) + "\n")
        self.check(config, status)

    def summary(self, *configs):
        """The exit status and the lines."""
        done = subprocess.run(
            [sys.executable, SCRIPT, self.folder, *configs], stdout=subprocess.PIPE, text=True, check=False
        )
        return done.returncode, done.stdout.splitlines()

    def test_the_last_line_has_two_numbers(self):
        self.bazel("default", ["", "", KVM_SKIPPED])
        self.check("format", 0)
        status, lines = self.summary("format", "default")
        self.assertEqual(status, 0)
        self.assertEqual(lines[-1], "3 passed, 0 failed")

    def test_failures_and_skipped_cases_are_named(self):
        self.bazel("default", ["", "<failure/>", "<skipped/>"], status=3, result="FAILED")
        status, lines = self.summary("default")
        self.assertEqual(status, 1)
        self.assertEqual(lines[-1], "1 passed, 1 failed")
        self.assertIn("  default: //a:b C.T1", lines[lines.index("Failed:") :])
        self.assertIn("  default: //a:b C.T2", lines[: lines.index("Failed:")])

    def test_a_check_that_fails(self):
        self.check("format", 1)
        self.assertEqual(self.summary("format"), (1, ["", "Failed:", "  format: format", "", f"{'format':30} 0 passed, 1 failed", "0 passed, 1 failed"]))

    def test_a_process_that_fails_though_its_cases_pass(self):
        self.bazel("asan", [""], status=3, result="FAILED")
        self.assertEqual(self.summary("asan")[1][-1], "1 passed, 1 failed")

    def test_no_test_is_a_failure(self):
        (self.folder / "default.json").write_text("")
        self.check("default", 0)
        self.assertEqual(self.summary("default")[1][-1], "0 passed, 1 failed")

    # Cases that need KVM, in the line before the last:

    def kvm_line(self, *configs):
        return self.summary(*configs)[1][-2]

    def test_all_with_kvm(self):
        self.bazel("default", ["", KVM_RAN, KVM_RAN])
        self.bazel("asan", [KVM_RAN])
        self.assertEqual(self.kvm_line("default", "asan"), "KVM: 3 tests ran")

    def test_none_without_kvm(self):
        self.bazel("default", ["", KVM_SKIPPED, "<skipped/>", KVM_SKIPPED])
        self.assertEqual(self.kvm_line("default"), "KVM: 0 ran, 2 skipped: no /dev/kvm")

    def test_failed_ones_have_run(self):
        self.bazel("default", [KVM_RAN + "<failure/>", KVM_RAN, KVM_SKIPPED], status=3, result="FAILED")
        self.assertEqual(self.kvm_line("default"), "KVM: 2 ran, 1 skipped: no /dev/kvm")

    def test_skipped_for_something_else(self):
        self.bazel("default", [KVM_RAN + "<skipped/>", KVM_RAN])
        self.assertEqual(self.kvm_line("default"), "KVM: 1 tests ran")

    def test_each_check_is_one(self):
        for name in ("format", "conformance", "tidy", "shipped-tidy"):
            self.check(name, 0)
            self.assertEqual(self.summary(name)[0], 0, name)
            self.check(name, 1)
            self.assertEqual(self.summary(name)[0], 1, name)

    def test_no_line_where_no_tests_were_to_run(self):
        self.check("tidy", 0)
        self.assertFalse([line for line in self.summary("tidy")[1] if "KVM" in line])


if __name__ == "__main__":
    unittest.main()

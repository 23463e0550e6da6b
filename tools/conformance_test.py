#!/usr/bin/env python3
"""What tools/conformance makes of a made-up project."""

import importlib.machinery
import importlib.util
import pathlib
import tempfile
import unittest

PATH = pathlib.Path(__file__).with_name("conformance")
LOADER = importlib.machinery.SourceFileLoader("conformance", str(PATH))
conformance = importlib.util.module_from_spec(importlib.util.spec_from_loader("conformance", LOADER))
LOADER.exec_module(conformance)

TABLES = """
[[document]]
name = "spec"
title = "The specification"
about = "Some text."
[[clause]]
id = "reset"
document = "spec"
section = "Registers"
text = "All is 0."
[[difference]]
id = "bytes"
who = "QEMU"
theirs = "Bytes."
ours = "Words."
[[fault]]
id = "crash"
of = "QEMU"
theirs = "It crashes."
ours = "It does not."
"""

TESTS = """
// What reset does.
// Clause: reset
// Differs: bytes
TEST_F(DeviceTest, Reset) {}

// Clause: reset
// Fault: crash
TEST(DeviceTest, Crash) {}
"""


class ConformanceTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.write("docs/conformance/all.toml", TABLES)
        self.write("core/device_test.cc", TESTS)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def wrong(self):
        with self.assertRaises(conformance.Wrong) as caught:
            conformance.page(self.root)
        return str(caught.exception)

    def test_each_entry_has_its_tests(self):
        page = conformance.page(self.root)
        test = "[DeviceTest.{0}](../core/device_test.cc)"
        self.assertIn(f"| Registers | All is 0. | {test.format('Crash')}<br>{test.format('Reset')} |", page)
        self.assertIn(f"| QEMU | Bytes. | Words. | {test.format('Reset')} |", page)
        self.assertIn(f"| QEMU | It crashes. | It does not. | {test.format('Crash')} |", page)

    def test_an_entry_without_a_test(self):
        self.write("core/device_test.cc", TESTS.replace("// Fault: crash\n", ""))
        self.assertEqual(self.wrong(), "no test names the fault 'crash'")

    def test_a_test_without_an_entry(self):
        self.write("core/other_test.cc", "// Clause: rest\nTEST(A, B) {}\n")
        self.assertEqual(self.wrong(), "core/other_test.cc: A.B names the clause 'rest', which is in no list")

    def test_an_annotation_of_nothing(self):
        self.write("core/other_test.cc", "\n// Clause: reset\nint x;\nTEST(A, B) {}\n")
        self.assertEqual(self.wrong(), "core/other_test.cc:2: 'reset' stands above no test")
        self.write("core/other_test.cc", "// Clause: reset\n")
        self.assertEqual(self.wrong(), "core/other_test.cc:1: 'reset' stands above no test")

    def test_an_entry_twice(self):
        self.write("docs/conformance/more.toml", TABLES[TABLES.index("[[fault]]"):])
        self.assertEqual(self.wrong(), "docs/conformance/more.toml: fault 'crash' is there twice")

    def test_several_in_one_line(self):
        self.write("core/device_test.cc", TESTS.replace("reset\n", "reset, late\n", 1))
        self.write("docs/conformance/more.toml", '[[clause]]\nid = "late"\ndocument = "spec"\n'
                                                  'section = "S"\ntext = "T."\n')
        self.assertIn("| S | T. | [DeviceTest.Reset](../core/device_test.cc) |", conformance.page(self.root))

    def test_figures(self):
        self.write("docs/conformance/figures.toml",
                   '[[figure]]\nwhat = "Mutants"\nvalue = "100 of 101"\ncommand = "tools/mutants"\n')
        self.assertIn("| Mutants | 100 of 101 | `tools/mutants` |", conformance.page(self.root))

    def test_figures_of_mutants(self):
        self.write("docs/conformance/figures.toml",
                   '[[figure]]\nwhat = "Mutants"\nmutants = "docs/mutants.md"\ncommand = "tools/mutants"\n')
        self.write("docs/mutants.md", "| bound | 1 | 1 | 0 | 0 |\n| all   |  12 |  9 |  1 |  2 |\n")
        self.assertIn("| Mutants | 12 planted, 9 killed; 2 behave as the original or differ in speed alone,"
                      " each for a reason that is given; 1 survived | `tools/mutants` |", conformance.page(self.root))
        self.write("docs/mutants.md", "# Mutants\n")
        self.assertEqual(self.wrong(), "docs/mutants.md: no row 'all', from which 'Mutants' is taken")


if __name__ == "__main__":
    unittest.main()

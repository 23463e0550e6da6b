#!/usr/bin/env python3
"""What Doxygen is shown of a header."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).absolute().parent))

import doxygen_filter  # noqa: E402


class Filter(unittest.TestCase):
    def shown(self, text):
        """The lines that follow the file's own documentation."""
        lines = doxygen_filter.filtered("#ifndef A_H_\n" + text).splitlines()
        return lines[lines.index("#ifndef A_H_") + 1:]

    def test_a_comment_is_about_what_follows(self):
        self.assertEqual(self.shown("// What, in <units> of `F`.\n// More.\nint F();\n"),
                         ["/// What, in \\<units\\> of <tt>F</tt>.", "/// More.", "int F();"])
        self.assertEqual(self.shown("/* What.\n * More. */\nint f(int a,\n      int b);\n"),
                         ["/// What.", "/// More.", "int f(int a,", "      int b);"])

    def test_it_is_about_all_of_a_paragraph(self):
        self.assertEqual(self.shown("// Both.\nint F();\nint G();\n\nint H();\n"),
                         ["/// Both.", "int F();", "/// Both.", "int G();", "", "int H();"])

    def test_a_destructor_is_not_what_was_before(self):
        self.assertEqual(self.shown("// F.\nint F();\n~A();\n"), ["/// F.", "int F();", "~A();"])

    def test_a_comment_alone_is_about_nothing(self):
        self.assertNotIn("///", "".join(self.shown("// Threading.\n\nint F();\n")))

    def test_a_comment_behind_is_about_its_line(self):
        self.assertEqual(self.shown("int a = 0;  // What.\n"), ["/// What.", "int a = 0;"])
        self.assertEqual(self.shown("  A = 1, /* What. */\n"), ["  /// What.", "  A = 1,"])

    def test_not_within_a_declaration(self):
        self.assertEqual(self.shown("// F.\nint F(int a,  // One.\n      int b);\n")[-1], "      int b);")

    def test_the_head_is_about_the_file(self):
        lines = doxygen_filter.filtered("/* Copyright\n * SPDX-License */\n\n/* All. */\n\n#ifndef A_H_\n").splitlines()
        self.assertEqual(lines, ["/// \\file", "/// All.", "#ifndef A_H_"])


if __name__ == "__main__":
    unittest.main()

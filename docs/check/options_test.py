#!/usr/bin/env python3
"""docs/server.md has the options that `ivshmem server --help` lists, and no others."""

import pathlib
import re
import subprocess
import unittest

PROGRAM = "tools/ivshmem/ivshmem"
FLAG = re.compile(r"(?<![\w-])--?[A-Za-z][a-z-]*")
OPTION = re.compile(r"^ +(?:(-\w),)?(--[a-z-]+|-\w)")  # At the start of a line of the help.
ELSEWHERE = {"--help"}  # As of every command.


class Options(unittest.TestCase):
    def setUp(self):
        page = pathlib.Path("docs/server.md").read_text()
        section = page[page.index("## Options"):page.index("## Limits")]
        self.explained = {flag for span in re.findall(r"`([^`]+)`", section) for flag in FLAG.findall(span)}
        text = subprocess.run([PROGRAM, "server", "--help"], text=True, capture_output=True, check=True).stdout
        self.listed = [match.groups() for match in map(OPTION.match, text[:text.index("Examples:")].splitlines()) if match]

    def test_each_is_explained(self):
        self.assertGreater(len(self.listed), 20)
        lacking = [names for names in self.listed if not self.explained & set(names) and not ELSEWHERE & set(names)]
        self.assertEqual(lacking, [])

    def test_each_is_there(self):
        self.assertEqual(self.explained - {name for names in self.listed for name in names}, set())


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""What the check of the documents finds in made-up ones."""

import fcntl
import pathlib
import sys
import tempfile
import textwrap
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).absolute().parent
sys.path.insert(0, str(HERE))

import blocks  # noqa: E402
import console  # noqa: E402
import place  # noqa: E402
import references  # noqa: E402
import sources  # noqa: E402


def document(text):
    return blocks.parse("page.md", textwrap.dedent(text).lstrip("\n"))


class Accounts(unittest.TestCase):
    """Every block is accounted for."""

    def wrong(self, text):
        return blocks.unaccounted(document(text))

    def test_what_is_accounted_for(self):
        self.assertEqual(self.wrong("""
            <!-- not run here: it needs a hypervisor -->
            ```
            xl create
            ```

            Not run here: it takes an hour.
            ```sh
            make world
            ```
            <!-- file: a.txt -->
            ```
            content
            ```
            <!-- code of: a.cc b.cc; run by: //a:a_test -->
            ```cpp
            int a;
            ```
            Text.

            ```cpp
            int b;
            ```

              - indented
                ```sh
                cat a.txt
                ```
            """), [])

    def test_each_way_to_lack_an_account(self):
        for text, found in (
                ("```\nls\n```\n", "page.md:1: a block of '' needs 'file:' or 'not run here:'"),
                ("```json\n{}\n```\n", "page.md:1: a block of 'json' needs 'file:' or 'not run here:'"),
                ("```cpp\nint a;\n```\n", "code without"),
                ("<!-- code of: a.cc -->\n```cpp\nint a;\n```\n", "code without"),
                ("<!-- not run here: no -->\n```\nls\n```\n", "needs a reason"),
                ("<!-- not run here: a good reason -->\n\nText between.\n\n```\nls\n```\n", "needs 'file:'"),
                ("<!-- file: a.txt -->\n```\nx\n```\n```sh\nls\n```\n", "no later command uses the file 'a.txt'"),
                ("```sh\ncat a.txt\n```\n<!-- file: a.txt -->\n```\nx\n```\n", "no later command uses"),
                ("<!-- nead: /dev/kvm -->\n```sh\nls\n```\n", "'nead:' says nothing to the check"),
                ("<!-- loosely: words -->\n```console\n$ ls\n```\n", "expected 'numbers'"),
                ("Text:\n\n    ls\n    ls\n\nText.\n", "page.md:3: indented code"),
                ("- item\n\n      more of it\n\nText:\n\n    ls\n", "page.md:7: indented code"),
                ("```sh\nls\n", "the block has no end")):
            with self.subTest(text):
                wrong = self.wrong(text)
                self.assertEqual(len(wrong), 1, wrong)
                self.assertIn(found, wrong[0])

    def test_a_mark_is_for_one_block(self):
        text = "<!-- not run here: a good reason -->\n```\nls\n```\n```\nls\n```\n"
        self.assertEqual(self.wrong(text), ["page.md:5: a block of '' needs 'file:' or 'not run here:'"])


class Sources(unittest.TestCase):
    """Code is that of its sources."""

    CODE = "int Two() {\n  if (true) {\n    return 2;\n  }\n}\nint Three();\n"

    def strangers(self, code, name="two.cc"):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "two.cc").write_text(self.CODE)
            page = f"<!-- code of: {name}; run by: //a -->\n```cpp\n{code}\n```\n"
            return sources.strangers(root, blocks.parse("page.md", page))

    def test_lines_that_stand_together(self):
        self.assertEqual(self.strangers(self.CODE.rstrip()), [])
        self.assertEqual(self.strangers("if (true) {\n  return 2;\n}"), [])

    def test_other_lines(self):
        for code in ("return 3;", "return 2;\n}\nint Three();", "if (true) {\nreturn 2;\n}", "return", ""):
            with self.subTest(code):
                self.assertEqual(len(self.strangers(code)), 1)

    def test_no_such_source(self):
        self.assertIn("there is no three.cc", self.strangers("return 2;", "three.cc")[0])


class Commands(unittest.TestCase):
    """Commands run, and do what is shown."""

    def wrong(self, text):
        with tempfile.TemporaryDirectory() as root, place.Place(pathlib.Path(root)) as folder:
            return console.run(document(text), folder, seconds=30)[0]

    def test_what_is_as_it_is_shown(self):
        self.assertEqual(self.wrong("""
            <!-- file: a.txt -->
            ```
            one
            two   and 3
            ```
            <!-- first: echo from before > b.txt -->
            ```console
            $ cat a.txt
            one
            two and 3
            $ cat b.txt \\
                a.txt  # Over two lines.
            from ...
            ...
            $ cd /
            ```
            ```sh
            # A comment, and no command.
            pwd | grep -q '^/$'   # The shell is the same.
            bazel build || true
            ```
            <!-- loosely: numbers -->
            ```console
            $ echo "p50 1,083.5 us, took 7s (12 %)"
            p50 2 us, took 3,000s (1 %)
            ```
            <!-- status: 3 -->
            ```sh
            (exit 3)
            ```
            <!-- ends at: from before -->
            <!-- status: 143 -->
            ```sh
            tail -f "$HOME/b.txt"  # For ever.
            ```
            """), [])

    def test_what_is_not(self):
        for text, found in (
                ("```sh\nfalse\n```\n", "page.md:2: ended with status 1: false"),
                ("```sh\ntrue\nno-such-command\n```\n", "page.md:3: ended with status 127"),
                ("<!-- first: false -->\n```sh\ntrue\n```\n", "page.md:2: ended with status 1"),
                ("<!-- status: 1 -->\n```sh\ntrue\n```\n", "ended with status 0"),
                ("```console\n$ echo one\ntwo\n```\n", "--- printed\none\n--- and not\ntwo"),
                ("```console\n$ echo 1\n2\n```\n", "--- printed"),
                ("```console\n$ printf 'a\\nb\\n'\na\n```\n", "--- printed"),
                ("```console\nls\n```\n", "begins with '$ '"),
                ("```sh\nexit\n```\n", "did not end: exit"),
                ("```sh\nls (\n```\n", "did not end"),
                ("<!-- ends at: never -->\n```sh\necho once\n```\n", "did not say: never"),
                ("```sh\nbazel build //not:here\n```\n", "the test has no //not:here"),
                ("```sh\nbazel test //...\n```\n", "the test has no bazel test")):
            with self.subTest(text):
                wrong = self.wrong(text)
                self.assertEqual(len(wrong), 1, wrong)
                self.assertIn(found, wrong[0])

    def test_needs(self):
        self.assertEqual(self.wrong("<!-- needs: /no/such/thing -->\n```sh\nfalse\n```\n"), [])
        self.assertEqual(len(self.wrong("<!-- needs: /dev/null -->\n```sh\nfalse\n```\n")), 1)

    def test_what_is_left_behind_ends(self):
        with tempfile.NamedTemporaryFile() as file:
            self.assertEqual(self.wrong(f"```sh\nexec 9> {file.name}; flock 9; setsid sleep 1000 &\n```\n"), [])
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # Nobody has it.


class References(unittest.TestCase):
    """What is named is there."""

    def checked(self, text, picture=""):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, content in (("page.md", text), ("docs/other.md", "# The title, `x`\n"),
                                  ("core/BUILD.bazel", 'cc_library(name = "core")\n[cc_test(name = n + "_test")]'),
                                  ("docs/picture.svg", picture), ("core/peer_test.cc", "TEST_F(PeerTest, Rings) {}\n"), ("core/peer.h", "class Peer {\n"),
                                  ("tools/conformance", (HERE.parent.parent / "tools/conformance").read_text())):
                (root / name).parent.mkdir(exist_ok=True)
                (root / name).write_text(content)
            found = references.References(root)
            return found.wrong("page.md") + found.misdrawn("docs/picture.svg")

    def wrong(self, text):
        return self.checked(text)

    def test_what_is_there(self):
        self.assertEqual(self.wrong("""
            [a](docs/other.md) [b](docs/other.md#the-title-x) [c](https://example.com) `core/`
            [PeerTest.Rings](core/peer_test.cc) `core/peer` `core/peer.{h,h}` `//core` `//core:peer_test`
            `//core/...` `core/*_test.cc` `other/thing` `// a comment` `a/b` `core/peer.h --flag`
            """), [])

    def test_what_is_not(self):
        for text in ("[a](docs/none.md)", "[a](docs/other.md#title)", "[PeerTest.Sings](core/peer_test.cc)",
                     "`core/none.h`", "`core/peer.{h,c}`", "`//core:none`", "`//core:none_test`", "`//none`",
                     "`core/none/`"):
            with self.subTest(text):
                self.assertEqual(len(self.wrong("\n" + text)), 1)
                self.assertIn("page.md:2: ", self.wrong("\n" + text)[0])

    def test_pictures(self):
        picture = '<text class="name">Peer</text><tspan class="path">core</tspan>'
        self.assertEqual(self.checked("", picture), [])
        self.assertEqual(self.checked("", picture.replace("core", "hall")), ["docs/picture.svg: there is no folder hall"])
        self.assertEqual(self.checked("", picture.replace("Peer", "Pee")), ["docs/picture.svg: there is no type Pee"])

    def test_blocks_are_not_prose(self):
        self.assertEqual(self.wrong("```\n`core/none.h`\n```\n"), [])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""What `--help` says, the manual says and the shell completes: nothing less, nothing more."""

import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, "packaging/command")
sys.dont_write_bytecode = True
import man_pages

FOLDER = "packaging/command"
COMMAND = "tools/ivshmem/ivshmem"
COMPLETION = FOLDER + "/ivshmem.bash"

COMPLETE = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
compopt() { COMPOPT+="${*: -1}"; }
COMPOPT=
_ivshmem
echo "$COMPOPT"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def help_of(path):
    return subprocess.run([COMMAND] + path + ["--help"], check=True, capture_output=True, text=True).stdout


def commands_in(text):
    found = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.MULTILINE)
    return re.findall(r"^  (\S+)", found[1], re.MULTILINE) if found else []


def options_in(text):
    """'-S,--socket PATH' -> -S, --socket. Examples come after the options."""
    text = re.split(r"^Examples?:", text, flags=re.MULTILINE)[0]
    heads = re.findall(r"^ +(-[-\w]+(?:,-[-\w]+)*)(?: |$)", text, re.MULTILINE)
    return sorted({name for head in heads for name in head.split(",")})


def all_commands():
    """Every command: path -> its help."""
    found = {}
    todo = [[]]
    while todo:
        path = todo.pop()
        found[tuple(path)] = help_of(path)
        todo += [path + [name] for name in commands_in(found[tuple(path)])]
    return found


def page_of(path):
    """The page, as roff: that of `mem dump` is a section of that of `mem`."""
    name = "-".join(["ivshmem"] + list(path[:1]))
    with open("%s/%s.1" % (FOLDER, name)) as file:
        page = file.read().replace("\\-", "-")
    sections = re.split(r"^\.SH (?=IVSHMEM )", page, flags=re.MULTILINE)
    if len(path) < 2:
        return sections[0]
    title = "ivshmem %s %s\n" % path
    return next(re.split(r"^\.SH", s, flags=re.MULTILINE)[0] for s in sections[1:] if s.startswith(title.upper()))


def complete(*words):
    """What bash offers for the last word: (completions, 'default' or 'dirnames' for files)."""
    result = subprocess.run(
        ["bash", "-uc", COMPLETE, "bash", COMPLETION, "ivshmem", *words], check=True, capture_output=True, text=True
    )
    assert result.stderr == "", result.stderr
    files, *found = result.stdout.split("\n")
    return sorted(word for word in found if word), files


class ManualTest(unittest.TestCase):
    def test_has_the_options_of_each_help(self):
        for path, text in all_commands().items():
            entries = re.findall(r"^\.TP\n(.*)$", page_of(path), re.MULTILINE)
            names = sorted({n for entry in entries for n in re.findall(r"\\fB(-[-\w]+)\\fR", entry)})
            self.assertEqual(names, options_in(text), path)

    def test_has_a_page_for_each_command(self):
        pages = sorted(name for name in os.listdir(FOLDER) if name.endswith(".1"))
        commands = ["ivshmem-%s.1" % path[0] for path in all_commands() if len(path) == 1]
        self.assertEqual(pages, sorted(commands + ["ivshmem.1"]))

    def test_says_what_each_help_says_of_an_option(self):
        said = " ".join(page_of(("server",)).split())
        self.assertIn("Interrupt vectors of each peer. (1 to 2048; default: 1)", said)
        self.assertIn("auto, always, never; default: auto)", said)
        self.assertIn("(not with --daemon)", said)

    def test_begins_as_an_index_of_manuals_reads_it(self):
        for path in all_commands():
            if len(path) < 2:
                name = "-".join(("ivshmem",) + path)
                self.assertRegex(page_of(path), r'(?m)\A.*\n\.TH %s 1 .*\n\.SH NAME\n%s - \S.*$' % (name.upper(), name))

    def test_has_the_examples_of_each_help(self):
        for path, text in all_commands().items():
            _, found, examples = text.partition("\nExample")
            for line in examples.split("\n")[1:] if found else []:
                self.assertIn(line[2:].replace("\\", "\\e").replace("'", "\\(aq"), page_of(path).split("\n"), path)

    def test_calls_arguments_by_their_names(self):
        self.assertIn("\\fIFILE\\fR", page_of(("mem", "load")))
        self.assertNotIn("TEXT", page_of(("mem", "poke")))

    def test_shows_what_can_be_typed(self):
        # A bare '-' is a typographical hyphen there.
        for name in os.listdir(FOLDER):
            if name.endswith(".1"):
                with open("%s/%s" % (FOLDER, name)) as file:
                    self.assertNotRegex(file.read(), r"\\fB-")

    def test_takes_no_text_for_a_request(self):
        self.assertEqual(man_pages.escape(".so file\n'so"), "\\&.so file\n\\(aqso")

    def test_is_sound_roff(self):
        for name in os.listdir(FOLDER):
            if name.endswith(".1"):
                result = subprocess.run(
                    ["groff", "-man", "-Tutf8", "-ww", "%s/%s" % (FOLDER, name)], check=True, capture_output=True, text=True
                )
                self.assertEqual(result.stderr, "", name)
                with open("%s/%s" % (FOLDER, name)) as file:
                    page = file.read()
                self.assertEqual(page.count("\n.nf\n"), page.count("\n.fi\n"))


class CompletionTest(unittest.TestCase):
    def test_offers_the_options_of_each_help(self):
        for path, text in all_commands().items():
            self.assertEqual(complete(*path, "-")[0], options_in(text), path)

    def test_offers_the_commands_of_each_help(self):
        for path, text in all_commands().items():
            self.assertEqual(complete(*path, "")[0], sorted(commands_in(text)), path)

    def test_offers_what_begins_as_the_word(self):
        self.assertEqual(complete("re"), (["record", "replay"], ""))
        self.assertEqual(complete("server"), (["server"], ""))
        self.assertEqual(complete("ring", "--v"), (["--vector"], ""))

    def test_offers_an_options_values(self):
        self.assertEqual(complete("server", "--rest-ids", "a"), (["always", "auto"], ""))
        self.assertEqual(complete("server", "--rest-ids", ""), (["always", "auto", "never"], ""))

    def test_offers_files_where_a_file_is_meant(self):
        self.assertEqual(complete("ring", "--socket", ""), ([], "default"))
        self.assertEqual(complete("device", "--memory", ""), ([], "default"))
        self.assertEqual(complete("device", "--server", ""), ([], "default"))
        self.assertEqual(complete("replay", "x"), ([], "default"))
        self.assertEqual(complete("server", "--directory", ""), ([], "dirnames"))

    def test_offers_nothing_where_a_number_is_meant(self):
        self.assertEqual(complete("ring", "--peer", ""), ([], ""))

    def test_takes_no_value_for_a_command(self):
        # A server at the path "status" is no `ivshmem status`.
        words = complete("server", "--shm-name", "status", "-")[0]
        self.assertIn("--vectors", words)
        self.assertEqual(complete("mem", "dump", "--socket", "load", "--r")[0], ["--raw"])
        self.assertEqual(complete("ring", "--socket", "--peer", "--v")[0], ["--vector"])


if __name__ == "__main__":
    unittest.main()

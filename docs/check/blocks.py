"""The fenced blocks of a document, and what accounts for each of them.

A comment before a block says what the block is to the check:

    <!-- not run here: REASON -->        nothing runs it (the same as visible text,
                                         "Not run here: REASON", is as good)
    <!-- code of: FILE...; run by: LABEL -->
                                         this and the code blocks after it, up to
                                         the next such comment, are parts of FILEs,
                                         which the test LABEL runs
    <!-- file: NAME -->                  it becomes a file that later commands use
    <!-- first: COMMAND -->              runs before the block's commands: what a
                                         reader has, or does in another window
    <!-- ends at: TEXT -->               its last command goes on until it is told to stop
                                         (SIGTERM), which it is when it has said TEXT
    <!-- status: N -->                   its last command ends with this status
    <!-- needs: PATH -->                 it runs only where PATH is
    <!-- loosely: numbers -->            any number may stand for any other in the
                                         output that it shows

Blocks of C++, C, Rust and Python are code; `sh` and `console` are commands.
"""

import dataclasses
import re

CODE = ("cpp", "c", "rust", "python", "cmake", "starlark")
COMMANDS = ("sh", "console")

_FENCE = re.compile(r"( *)(`{3,}|~{3,})\s*([\w+-]*)\s*$")
_ITEM = re.compile(r"\s*([-*+]|\d+\.)\s")
_COMMENT = re.compile(r"<!--\s*([a-z ]+?): *(.*?)\s*-->", re.DOTALL)
_VISIBLE = re.compile(r"\(?[Nn]ot run here: (.*)")
_KEYS = ("not run here", "code of", "file", "first", "ends at", "status", "needs", "loosely")


@dataclasses.dataclass
class Block:
    """One fenced block, and the comments right above it."""
    path: str
    line: int  # Of its fence, from 1.
    language: str
    lines: list
    notes: dict  # Key of a comment -> its value; `first` -> a list.
    sources: tuple = ()  # Of code: the files of the `code of` that holds here.
    run_by: str = ""

    @property
    def where(self):
        return f"{self.path}:{self.line}"


def _notes(above):
    """The comments in the lines right above a block, and what they say."""
    notes, text = {}, "\n".join(above)
    for key, value in _COMMENT.findall(text):
        value = " ".join(value.split())
        if key == "first":
            notes.setdefault(key, []).append(value)
        else:
            notes[key] = value
    for line in _COMMENT.sub("", text).splitlines():
        if match := _VISIBLE.search(line):
            notes["not run here"] = match[1].rstrip(") ")
    return notes


def _paragraph_above(lines):
    """The last lines that are not blank, with all of a comment that ends there."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    start = end
    while start and lines[start - 1].strip():
        start -= 1
    return lines[start:end]


def parse(path, text):
    """The blocks of a document, in order."""
    blocks, since, inside = [], [], None
    in_list = False
    sources, run_by = (), ""
    for number, line in enumerate(text.splitlines(), 1):
        match = _FENCE.match(line)
        if inside is not None:
            indent, fence = inside[0], inside[1]
            if match and match[2].startswith(fence) and not match[3]:
                inside = None
            else:
                blocks[-1].lines.append(line[len(indent):] if line.startswith(indent) else line.lstrip())
        elif match:
            notes = _notes(_paragraph_above(since))
            if of := notes.get("code of"):
                files, _, test = of.partition(";")
                sources, run_by = tuple(files.split()), test.partition("run by:")[2].strip()
            blocks.append(Block(path, number, match[3], [], notes))
            if match[3] in CODE:
                blocks[-1].sources, blocks[-1].run_by = sources, run_by
            inside, since = (match[1], match[2]), []
        else:
            in_list = bool(_ITEM.match(line)) or (in_list and (not line or line.startswith(" ")))
            if line.startswith("    ") and not in_list and since and not since[-1].strip():
                blocks.append(Block(path, number, "", [line], {"indented": ""}))
            since.append(line)
    if inside is not None:
        blocks[-1].notes["open"] = ""
    return blocks


def unaccounted(blocks):
    """A line for each block of one document that nothing runs, for no reason."""
    wrong = []
    for i, block in enumerate(blocks):
        notes = block.notes
        if "open" in notes:
            wrong.append(f"{block.where}: the block has no end")
        if "indented" in notes:
            wrong.append(f"{block.where}: indented code: expected a fence")
            continue
        for key in notes:
            if key not in _KEYS and key != "open":
                wrong.append(f"{block.where}: '{key}:' says nothing to the check")
        if notes.get("loosely", "numbers") != "numbers":
            wrong.append(f"{block.where}: loosely: expected 'numbers', got '{notes['loosely']}'")
        if "not run here" in notes:
            if len(notes["not run here"]) < 10:
                wrong.append(f"{block.where}: 'not run here:' needs a reason")
        elif "file" in notes:
            used = any(notes["file"] in line for later in blocks[i + 1:]
                       if later.language in COMMANDS and "not run here" not in later.notes
                       for line in later.lines)
            if not used:
                wrong.append(f"{block.where}: no later command uses the file '{notes['file']}'")
        elif block.language in CODE:
            if not block.sources or not block.run_by:
                wrong.append(f"{block.where}: code without 'code of: FILE...; run by: LABEL' or 'not run here:'")
        elif block.language not in COMMANDS:
            wrong.append(f"{block.where}: a block of '{block.language}' needs 'file:' or 'not run here:'")
    return wrong

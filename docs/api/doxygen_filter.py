#!/usr/bin/env python3
"""Shows Doxygen the comments of a header as documentation.

usage: doxygen_filter.py HEADER

The headers have plain comments. One right above a declaration, or behind it in
its line, is about it; one above several declarations that follow each other
without a blank line is about all of these; others are not for readers of the
reference. In C the comment's first line is /* and its last ends in */.
"""

import re
import sys

_TRAILING = re.compile(r"^(.*\S.*?)  ?(?:// (.*)|/\* (.*) \*/)$")


def _comments(lines, i):
    """The lines after a comment that begins at line i, and its text."""
    text = []
    if lines[i].lstrip().startswith("//"):
        while i < len(lines) and lines[i].lstrip().startswith("//"):
            text.append(lines[i].lstrip()[2:].removeprefix(" "))
            i += 1
        return i, text
    while True:
        line = lines[i].strip()
        text.append(re.sub(r"^(/\*|\*(?!/))? ?|\s*\*/$", "", line))
        i += 1
        if line.endswith("*/") or i == len(lines):
            return i, text


def _documentation(text, indent):
    # Doxygen makes commands of \ and @, and links of <.
    escaped = [re.sub(r"([\\@<>#%&]|::)", r"\\\1", line) for line in text]
    return [f"{indent}/// {line}".rstrip() for line in (re.sub(r"`([^`]+)`", r"<tt>\1</tt>", line) for line in escaped)]


def _opens(line):
    """Whether a declaration begins in the line."""
    text = line.strip()
    return bool(text) and not re.match(r"#(?!define)|[{})]|(public|private|protected):|friend\b|extern \"C\"|namespace\b", text)


def filtered(text):
    """The header with its comments as documentation."""
    lines, i = text.splitlines(), 0
    # What stands before the header's guard, but for the licence, is about it all.
    out, guard = ["/// \\file"], next((at for at, line in enumerate(lines) if line.startswith("#ifndef")), 0)
    while i < guard:
        if lines[i].startswith(("//", "/*")):
            i, comment = _comments(lines, i)
            out += _documentation(comment, "") if "SPDX" not in "".join(comment) else []
        else:
            i += 1
    # Of the declarations in this paragraph; whether the last is complete, and how
    # many of its parentheses are open.
    about, ended, depth = None, True, 0
    while i < len(lines):
        line = lines[i]
        indent = line[:len(line) - len(line.lstrip())]
        if ended and line.lstrip().startswith(("//", "/*")):
            i, comment = _comments(lines, i)
            about = comment if i < len(lines) and lines[i].strip() else None
            if about is None:
                out.append("")
            continue
        if not line.strip():
            about = None if ended else about
            out.append("")
        elif ended and _opens(line):
            trailing = _TRAILING.match(line)
            if trailing and re.search(r"[;,]$|^\s*k?\w+( = [^,]*)?$", trailing[1]):
                behind = [trailing[2] or trailing[3]]
                if i + 1 < len(lines) and lines[i + 1].lstrip().startswith("// "):
                    while i + 1 < len(lines) and re.match(r"\s{20,}// ", lines[i + 1]):
                        i += 1
                        behind.append(lines[i].strip()[3:])
                out += _documentation(behind, indent) + [trailing[1]]
            else:
                if about and not line.lstrip().startswith("~"):
                    out += _documentation(about, indent)
                out.append(line)
        else:
            out.append(re.sub(r"(?<=\S)\s+// .*$", "", line))
        depth = max(depth + out[-1].count("(") - out[-1].count(")"), 0) if line.strip() else 0
        ended = not depth and re.search(r"[;{}:,\\]\s*$|^\s*#.*$|^\s*k\w+$|^$", out[-1]) is not None
        if out[-1].rstrip().endswith("{"):
            about = None
        i += 1
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as header:
        sys.stdout.write(filtered(header.read()))

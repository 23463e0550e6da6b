#!/usr/bin/env python3
"""Writes the manual: man_pages.py REFERENCE.json VERSION PAGE...

Each PAGE is a file to write: ivshmem.1, and ivshmem-COMMAND.1 for each command.
Expects to be asked for exactly those that the command has.
"""

import json
import os
import re
import sys

EXIT_STATUS = [
    ("0", "All was done."),
    ("1", "All was done, and it turned out other than expected."),
    ("2", "It failed; one line on standard error says why."),
]


def escape(text):
    """Text as roff has it: no line begins a request, no '-' is a hyphen."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return "\n".join("\\&" + line if line.startswith(".") else line for line in text.split("\n"))


def bold(text):
    return "\\fB%s\\fR" % escape(text)


def italic(text):
    return "\\fI%s\\fR" % escape(text)


def value_of(option):
    """'N:INT in [1 - 8]' -> ('N', '1 to 8'); 'WHEN:{a,b}' -> ('WHEN', 'a, b')."""
    name, _, check = option["value"].partition(":")
    if option["positional"] and name == "TEXT":  # The parser's word for any.
        name = option["positional"]
    interval = re.search(r"\[(\S+) - (\S+)\]", check)
    if interval:
        return name, "%s to %s" % interval.groups()
    choices = re.fullmatch(r"\{(.*)\}", check)
    if choices:
        return name, ", ".join(choices[1].split(","))
    return name, ""


def synopsis(name, command):
    parts = [bold(name)]
    options = [o for o in command["options"] if not o["positional"]]
    for option in options:
        if option["required"]:
            parts.append("%s %s" % (bold(option["names"][-1]), italic(value_of(option)[0])))
    parts.append("[%s]...\\&" % italic("OPTION"))  # \\&: no sentence ends here.
    if command["commands"]:
        parts.append(italic("COMMAND"))
    for option in command["options"]:
        if option["positional"]:
            text = italic(value_of(option)[0]) + ("..." if option["repeats"] else "")
            parts.append(text if option["required"] else "[%s]" % text)
    return "\n".join(parts)


def option_entry(option):
    value, check = value_of(option)
    if option["positional"]:
        head = italic(value)
    else:
        head = ", ".join(bold(name) for name in option["names"])
        if value:
            head += " " + italic(value)
    facts = []
    if check:
        facts.append("%s is one of %s" % (value, check) if "{" in option["value"] else "%s to %s" % tuple(check.split(" to ")))
    if option["default"]:
        facts.append("default: %s" % option["default"])
    if option["required"] and not option["positional"]:
        facts.append("required")
    if option["excludes"]:
        facts.append("not with %s" % ", ".join(option["excludes"]))
    text = option["description"].rstrip(".") + "."
    if facts:
        text += " (%s)" % "; ".join(facts)
    return ".TP\n%s\n%s\n" % (head, escape(text))


def options_section(title, options):
    if not options:
        return ""
    return ".SH %s\n" % title + "".join(option_entry(o) for o in options)


def sections_of(command):
    positionals = [o for o in command["options"] if o["positional"]]
    options = [o for o in command["options"] if not o["positional"]]
    text = options_section("ARGUMENTS", positionals) + options_section("OPTIONS", options)
    for group in command["groups"]:
        text += ".SS %s\n" % escape(group["description"] or group["group"])
        text += "At most one of these:\n"
        text += "".join(option_entry(o) for o in group["options"])
    return text


def examples(command):
    title, _, code = command["footer"].partition("\n")
    if not title.startswith("Example"):
        return ""
    code = "\n".join(line[2:] if line.startswith("  ") else line for line in code.split("\n"))
    return ".SH EXAMPLES\n.nf\n%s\n.fi\n" % escape(code)


def status_section():
    return ".SH EXIT STATUS\n" + "".join(".TP\n%s\n%s\n" % (bold(n), escape(t)) for n, t in EXIT_STATUS)


def page(title, version, summary, body):
    return (
        '.\\" Written by packaging/command/man_pages.py from the command itself.\n'
        '.TH %s 1 "" "ivshmem %s" "ivshmem"\n' % (title.upper(), version)
        + ".SH NAME\n%s \\- %s\n" % (escape(title), escape(summary))
        + body
    )


def summary_of(command):
    """The first sentence, as a list of pages shows it."""
    first = re.split(r"(?<=[.:])\s", " ".join(command["description"].split()))[0].rstrip(".:")
    return first[0].lower() + first[1:]


def command_page(command, version):
    title = "ivshmem-" + command["name"]
    name = "ivshmem " + command["name"]
    body = ".SH SYNOPSIS\n%s\n" % synopsis(name, command)
    body += ".SH DESCRIPTION\n%s\n" % escape(command["description"])
    body += sections_of(command)
    for inner in command["commands"]:
        body += ".SH %s\n%s\n.PP\n%s\n" % (
            escape((name + " " + inner["name"]).upper()),
            synopsis(name + " " + inner["name"], inner),
            escape(inner["description"]),
        )
        body += "".join(option_entry(o) for o in inner["options"])
        code = examples(inner)
        body += code.replace(".SH EXAMPLES", ".PP")
    body += status_section() + examples(command)
    body += ".SH SEE ALSO\n\\fBivshmem\\fR(1)\n"
    return page(title, version, summary_of(command), body)


def main_page(root, version):
    body = ".SH SYNOPSIS\n%s\n" % synopsis("ivshmem", root)
    body += ".SH DESCRIPTION\n%s\n" % escape(root["description"])
    body += ".SH COMMANDS\n"
    for command in root["commands"]:
        body += ".TP\n\\fBivshmem\\-%s\\fR(1)\n%s\n" % (escape(command["name"]), escape(" ".join(command["description"].split())))
    body += sections_of(root) + status_section()
    body += ".SH SEE ALSO\n%s\n" % ",\n".join("\\fBivshmem\\-%s\\fR(1)" % escape(c["name"]) for c in root["commands"])
    return page("ivshmem", version, "serves and joins memory and doorbells shared by virtual machines", body)


def main():
    with open(sys.argv[1]) as file:
        root = json.load(file)
    version = sys.argv[2]
    pages = {"ivshmem.1": main_page(root, version)}
    for command in root["commands"]:
        pages["ivshmem-%s.1" % command["name"]] = command_page(command, version)
    asked = {os.path.basename(path): path for path in sys.argv[3:]}
    if asked.keys() != pages.keys():
        sys.exit("man_pages.py: the command's pages are %s; asked for %s" % (sorted(pages), sorted(asked)))
    for name, path in asked.items():
        with open(path, "w") as file:
            file.write(pages[name])


if __name__ == "__main__":
    main()

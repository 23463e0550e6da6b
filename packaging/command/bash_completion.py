#!/usr/bin/env python3
"""Writes bash's completion of the command: bash_completion.py REFERENCE.json"""

import json
import sys

# What follows from the table: the words so far choose a row, the word before
# the cursor an option's values.
SCRIPT = """\
# bash completion of ivshmem. Written by packaging/command/bash_completion.py
# from the command itself.

_ivshmem() {
  local word=${COMP_WORDS[COMP_CWORD]} command=ivshmem before="" next words="" kind="" i
  COMPREPLY=()
  # Which command is it, and does the word at the cursor belong to an option?
  for ((i = 1; i <= COMP_CWORD; ++i)); do
    kind=$(_ivshmem_value "$command" "$before")
    before=${COMP_WORDS[i]}
    ((i < COMP_CWORD)) || break
    [[ -z $kind ]] || { before="" && continue; } # An option's value.
    next=$(_ivshmem_command "$command" "$before")
    command=${next:-$command}
  done
  case $kind in
    file) ;;
    directory) compopt -o dirnames 2> /dev/null && return ;;
    any) return ;;
    ?*) words=${kind#one of } ;;
    *)
      if [[ $word == -* ]]; then
        words=$(_ivshmem_options "$command")
      else
        words=$(_ivshmem_commands "$command")
      fi
      ;;
  esac
  if [[ -n $words ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  elif [[ $word != -* ]]; then
    compopt -o default 2> /dev/null # Files.
  fi
}

# The command that WORD chooses after COMMAND, if any.
_ivshmem_command() {
  case "$1 $2" in
%(command)s
  esac
}

# What may follow COMMAND: commands, or nothing where files may.
_ivshmem_commands() {
  case $1 in
%(commands)s
  esac
}

_ivshmem_options() {
  case $1 in
%(options)s
  esac
}

# What COMMAND's OPTION is followed by: nothing (a flag, or no option), "file",
# "directory", "any", or "one of ...".
_ivshmem_value() {
  case "$1 $2" in
%(value)s
  esac
}

complete -F _ivshmem ivshmem
"""


def value_kind(option):
    name, _, check = option["value"].partition(":")
    if not name:
        return ""
    if check.startswith("{"):
        return "one of " + " ".join(check.strip("{}").split(","))
    if "--directory" in option["names"]:
        return "directory"
    return "file" if name in ("PATH", "FILE", "SOCKET") else "any"


def options_of(command):
    return [o for c in [command] + command["groups"] for o in c["options"] if not o["positional"]]


def rows(command, path, table):
    options = options_of(command)
    table["options"].append((path, " ".join(name for o in options for name in o["names"])))
    if command["commands"]:
        table["commands"].append((path, " ".join(c["name"] for c in command["commands"])))
    for option in options:
        kind = value_kind(option)
        if kind:
            pattern = "|".join('"%s %s"' % (path, name) for name in option["names"])
            table["value"].append((pattern, kind))
    for inner in command["commands"]:
        inner_path = path + " " + inner["name"]
        table["command"].append((inner_path, inner_path))
        rows(inner, inner_path, table)


def main():
    with open(sys.argv[1]) as file:
        root = json.load(file)
    table = {"command": [], "commands": [], "options": [], "value": []}
    rows(root, root["name"], table)
    text = {}
    for name, entries in table.items():
        lines = ["    %s) echo '%s' ;;" % (p if p.startswith('"') else '"%s"' % p, t) for p, t in entries]
        text[name] = "\n".join(lines)
    sys.stdout.write(SCRIPT % text)


if __name__ == "__main__":
    main()

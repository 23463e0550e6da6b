"""Runs the commands of a document, as a reader would, one block after the other.

All blocks of a document run in one folder that is empty but for what `Place`
puts there, in one shell, with /run and /tmp/ of their own, and all that they
leave behind ends with them.
"""

import dataclasses
import pathlib
import re
import shlex
import subprocess

from blocks import COMMANDS

_MARK = "@@ command"
# A command that goes to the background is there when its sockets are; one that
# would go on for ever has a reader at its input, and ends when it has said TEXT.
_FUNCTIONS = r"""
until_says() {
  local text=$1 command=$2 said i pid status=0
  said=$(mktemp)
  bash -c "exec $command" > "$said" 2>&1 < <(sleep 120) &
  pid=$!
  for ((i = 0; i < 600; ++i)); do
    grep -qF -- "$text" "$said" && break
    kill -0 "$pid" 2> /dev/null || break
    sleep 0.1
  done
  kill "$pid" 2> /dev/null
  wait "$pid" || status=$?
  cat "$said"
  grep -qF -- "$text" "$said" || { echo "did not say: $text"; return 99; }
  return "$status"
}
wait_for() {
  local socket i
  for socket in "$@"; do
    for ((i = 0; i < 300; ++i)); do [[ -S $socket ]] && break; sleep 0.1; done
    [[ -S $socket ]] || echo "no socket $socket after 30 seconds"
  done
}
"""


@dataclasses.dataclass
class Command:
    """What a document has a reader type, and what it says comes of it."""
    where: str
    text: str
    shown: list
    loosely: bool = False
    ends_at: str = ""
    status: str = "0"


def commands(block):
    """The commands of a block; of `console`, those after a `$`."""
    found, joined = [], False
    for number, line in enumerate(block.lines, block.line + 1):
        where = f"{block.path}:{number}"
        if joined:
            found[-1].text += "\n" + line
        elif block.language == "sh":
            if line.strip() and not line.lstrip().startswith("#"):
                found.append(Command(where, line, []))
            else:
                continue
        elif line.startswith("$ "):
            found.append(Command(where, line[2:], [], "loosely" in block.notes))
        elif found:
            found[-1].shown.append(line)
            continue
        else:
            found.append(Command(where, "", ["a block of 'console' begins with '$ '"]))
            continue
        joined = line.endswith("\\")
    if found:
        found[-1].ends_at = block.notes.get("ends at", "")
        found[-1].status = block.notes.get("status", "0")
    return found


def _background(text):
    """The text of a command without the comment after it ends in &."""
    return re.sub(r"\s+#.*$", "", text).rstrip().endswith("&")


def _sockets(text):
    words = shlex.split(text.rstrip().rstrip("&"), comments=True)
    pairs = [word.split("=", 1) if "=" in word else [word, after] for word, after in zip(words, words[1:] + [""])]
    return [value for flag, value in pairs if flag in ("--socket", "--status-socket")]


def _word(word, loosely):
    """What matches a word of the output."""
    parts = []
    for part in re.split(r"(\.{3}|\d[\d,.]*)", word):
        if part == "...":
            parts.append(r".*?")
        elif loosely and part[:1].isdigit():
            parts.append(r"\d[\d,.]*")
        else:
            parts.append(re.escape(part))
    return "".join(parts)


def _pattern(shown, loosely):
    """What matches the output: ... is anything, blanks are alike."""
    parts = []
    for line in shown:
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            words = [_word(word, loosely) for word in line.split()]
            parts.append(r"[ \t]*" + r"[ \t]+".join(words) + r"[ \t]*\n")
    return re.compile("".join(parts))


def agrees(shown, output, loosely=False):
    """Whether the output of a command is the one that a document shows."""
    while shown and not shown[-1].strip():
        shown = shown[:-1]
    if not shown:
        return True
    return _pattern(shown, loosely).fullmatch(output.rstrip("\n") + "\n") is not None


def _script(steps):
    """The shell's input; each command's output and status lie between marks."""
    lines = [_FUNCTIONS]
    for number, command in enumerate(steps):
        text = command.text
        if command.ends_at:
            text = f"until_says {shlex.quote(command.ends_at)} {shlex.quote(text)}"
        lines += [f"echo '{_MARK} {number}'", text, "status=$?", f"printf '\\n{_MARK} {number} ended with %d\\n' $status"]
        if _background(command.text):
            lines += [f"wait_for {shlex.join(_sockets(command.text))}"]
    return "\n".join(lines) + "\n"


def _results(steps, output):
    """A line for the first command that did not do what its document says."""
    for number, command in enumerate(steps):
        match = re.search(rf"^{_MARK} {number}\n(.*?)^{_MARK} {number} ended with (\d+)\n", output,
                          re.DOTALL | re.MULTILINE)
        if match is None:
            return [f"{command.where}: did not end: {command.text}\n{output[-2000:]}"]
        printed = match[1].rstrip("\n")
        if match[2] != command.status:
            return [f"{command.where}: ended with status {match[2]}: {command.text}\n{printed}"]
        if not agrees(command.shown, printed, command.loosely):
            shown = "\n".join(command.shown)
            return [f"{command.where}: {command.text}\n--- printed\n{printed}\n--- and not\n{shown}"]
    return []


def run(blocks, place, seconds=400):
    """Runs the commands of one document's blocks: (what is wrong, how many ran)."""
    steps, skipped = [], []
    for block in blocks:
        if "not run here" in block.notes:
            continue
        if "file" in block.notes:
            place.write(block.notes["file"], "\n".join(block.lines) + "\n")
        elif block.language in COMMANDS:
            needs = block.notes.get("needs")
            if needs and not pathlib.Path(needs).exists():
                skipped.append(f"{block.where}: not run: no {needs}")
                continue
            steps += [Command(block.where, first, []) for first in block.notes.get("first", [])]
            steps += commands(block)
    if not steps:
        return [], 0, skipped
    script = place.write(".commands.sh", _script(steps))
    log = place.folder / ".output"
    # A process of its own is the first of its own PID namespace: when it is
    # over, so is whatever it has started.
    with log.open("w") as out:
        try:
            subprocess.run(["unshare", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
                            'mount -t tmpfs none /run; mount -t proc proc /proc; exec bash "$0"', script],
                           cwd=place.folder, env=place.environment, stdin=subprocess.DEVNULL, stdout=out,
                           stderr=subprocess.STDOUT, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            pass  # The command that did not end is told below.
    return _results(steps, log.read_text(errors="replace")), len(steps), skipped

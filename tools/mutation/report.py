"""What became of the mutants: survivors, explanations and tables."""

import collections
import dataclasses
import json

import sites

# What can become of a fault. A survivor that no test reaches is one as well.
KILLED, SURVIVED, UNREACHED, EXPLAINED = "killed", "survived", "unreached", "explained"


@dataclasses.dataclass(frozen=True)
class Explanation:
    file: str
    original: str
    mutated: str
    why: str

    @property
    def key(self):
        return self.file, self.original, self.mutated


def read_explanations(path):
    """[Explanation] of a JSON list of objects."""
    return [Explanation(**fields) for fields in json.loads(path.read_text(encoding="utf-8"))]


def explain(results, faults, explanations):
    """Marks survivors that are explained.

    Returns {number: what became of it}, and the explanations that explain no
    survivor though all mutants they may be about have run.
    """
    by_key = {explanation.key: explanation for explanation in explanations}
    explained = {
        number: EXPLAINED if result != KILLED and faults[number].key in by_key else result
        for number, result in results.items()
    }
    used = {faults[number].key for number, result in explained.items() if result == EXPLAINED}
    waiting = {fault.key for number, fault in faults.items() if number not in results}
    idle = [one for one in explanations if one.key not in used and one.key not in waiting]
    return explained, idle


def survivor(number, fault, result):
    """A survivor, for a person to judge."""
    note = ", which no test reaches" if result == UNREACHED else ""
    where = f"{fault.file}:{fault.line} in {fault.function}: {fault.kind} (mutant {number}){note}"
    return f"{where}\n  - {fault.original}\n  + {fault.mutated}"


def _folder(fault):
    return fault.file.rsplit("/", 1)[0]


def _row(name, results):
    count = collections.Counter(results)
    alive = count[SURVIVED] + count[UNREACHED]
    return name, len(results), count[KILLED], alive, count[EXPLAINED]


def rows(results, faults, name_of):
    """(name, planted, killed, survived, explained) of each group of mutants."""
    groups = collections.defaultdict(list)
    for number, result in results.items():
        groups[name_of(faults[number])].append(result)
    return [_row(name, groups[name]) for name in sorted(groups)]


def tables(results, faults):
    """The closing tables, in Markdown, which reads well in a terminal, too."""
    lines = []
    for title, name_of in (("Kind", lambda fault: fault.kind), ("Folder", _folder)):
        lines += [f"| {title:19}| planted | killed | survived | explained |", "|---|---:|---:|---:|---:|"]
        for name, *numbers in [*rows(results, faults, name_of), _row("all", list(results.values()))]:
            planted, killed, alive, explained = numbers
            lines.append(f"| {name:19}| {planted:7} | {killed:6} | {alive:8} | {explained:9} |")
        lines.append("")
    return "\n".join(lines)


def document(results, faults, explanations, command):
    """docs/mutants.md."""
    files = len({faults[number].file for number in results})
    used = {faults[number].key for number, result in results.items() if result == EXPLAINED}
    lines = [
        "# Mutants",
        "",
        f"Written by `{command}`; do not edit.",
        "",
        f"{len(results)} faults in {files} files, of {len(sites.KINDS)} kinds, one at a time. Killed: a test fails, crashes or",
        "takes far too long. Explained: no test can tell the mutant from the original, for the reason below.",
        "",
        tables(results, faults),
    ]
    if used:
        lines += ["## Explained", ""]
    for one in explanations:
        if one.key in used:
            lines += [f"- `{one.file}`: `{one.original}` → `{one.mutated}`: {one.why}"]
    alive = [number for number, result in results.items() if result in (SURVIVED, UNREACHED)]
    if alive:
        lines += ["", "## Survivors, which no test sees and nobody has explained", "",
                  "<!-- not run here: faults that were planted, no commands -->", "```diff"]
        lines += [survivor(number, faults[number], results[number]) for number in alive]
        lines += ["```"]
    return "\n".join(lines).rstrip() + "\n"

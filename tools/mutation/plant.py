"""Puts all faults of a source into it at once; the environment chooses one.

    IVSHMEM_MUTANT=17        runs fault 17; without it everything is as it was
    IVSHMEM_REACHED=FILE     appends the number of each fault that is reached

An expression becomes (chosen 17 ? with the fault : as it was). Only one fault
is chosen at a time, so what is "with the fault" has no other faults in it, and
a source grows by little. In constant evaluation no fault is chosen.
"""

import collections
import dataclasses

import sites

# Each source has it, for it must compile wherever the source does.
PREAMBLE = """\
#ifndef IVSHMEM_MUTANT_CHOSEN_
#define IVSHMEM_MUTANT_CHOSEN_
#include <fcntl.h>
#include <unistd.h>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <type_traits>
namespace ivshmem_mutant {
// Neither allocates nor locks when it is asked, as some code that asks must not.
inline int Number() {
  static const int number = [] {
    const char* text = std::getenv("IVSHMEM_MUTANT");
    return text == nullptr ? 0 : std::atoi(text);
  }();
  return number;
}
inline int ReachedFile() {
  static const int file = [] {
    const char* path = std::getenv("IVSHMEM_REACHED");
    return path == nullptr ? -1 : ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  }();
  return file;
}
inline std::atomic<bool> reached[100000];
inline void Reached(int number) {
  if (reached[number].exchange(true)) return;
  char line[16];
  const int length = std::snprintf(line, sizeof line, "%d\\n", number);
  if (::write(ReachedFile(), line, length) != length) std::abort();
}
constexpr bool Is(int number) {
  if (std::is_constant_evaluated()) return false;
  if (ReachedFile() >= 0) Reached(number);
  return Number() == number;
}
}  // namespace ivshmem_mutant
#endif
"""


class NotPlanted(Exception):
    """The source does not compile with the faults, and no fault is to blame."""


@dataclasses.dataclass
class _Node:
    """A part of the source and the faults that are exactly there."""

    start: int
    end: int
    faults: list  # (number, Fault)
    inside: list


def _tree(size, numbered):
    """Parts in parts, as the syntax has them."""
    places = collections.defaultdict(list)
    for number, fault in numbered:
        places[fault.start, -fault.end].append((number, fault))
    root = _Node(0, size, [], [])
    path = [root]
    for (start, negative_end), faults in sorted(places.items()):
        node = _Node(start, -negative_end, faults, [])
        while path[-1].end < node.end or path[-1].end <= node.start and path[-1] is not root:
            path.pop()
        path[-1].inside.append(node)
        path.append(node)
    return root


class _Writer:
    def __init__(self, text):
        self.text = text
        self.pieces = [PREAMBLE]
        self.length = len(PREAMBLE)
        self.spans = []  # (start, end, numbers) in what is written, inner ones first

    def put(self, piece):
        self.pieces.append(piece)
        self.length += len(piece)

    def inner(self, node):
        at = node.start
        for part in node.inside:
            self.put(self.text[at : part.start])
            self.part(part)
            at = part.end
        self.put(self.text[at : node.end])

    def part(self, node):
        start = self.length
        closing = []
        original = self.text[node.start : node.end]
        # A truth is outside of a value: `x & 1`, negated, is no number.
        for number, fault in sorted(node.faults, key=lambda item: item[1].form != sites.TRUTH):
            chosen = f"::ivshmem_mutant::Is({number})"
            at = self.length
            if fault.form == sites.TRUTH:
                self.put(f"({chosen} ? static_cast<bool>({fault.mutant}) : static_cast<bool>(")
                closing.append("))")
            elif fault.form == sites.VALUE:
                self.put(f"({chosen} ? static_cast<std::remove_reference_t<decltype({original})>>({fault.mutant}) : (")
                closing.append("))")
            elif fault.form == sites.STATEMENT:
                self.put(f"{{ if (!{chosen}) ")
                closing.append(" }")
            else:
                self.put(f" if ({chosen}){fault.mutant}")
            self.spans.append((at, self.length, [number]))
        self.inner(node)
        self.put("".join(reversed(closing)))
        self.spans.append((start, self.length, [number for number, _ in node.faults]))


def write(text, numbered):
    """`text` with these faults, [(number, Fault)], and where each is in it."""
    writer = _Writer(text)
    writer.inner(_tree(len(text), numbered))
    return "".join(writer.pieces), writer.spans


def _to_blame(spans, offset):
    """The faults in the smallest part that holds `offset`."""
    around = [(end - start, numbers) for start, end, numbers in spans if start <= offset < end]
    return min(around, default=(0, []))[1]


def plant(root, file, faults, first):
    """Plants the faults that compile, numbered from `first`.

    Returns the new text, and {number: Fault} of what is in it.
    """
    text = sites.read(root / file)
    planted = dict(enumerate(faults, first))
    while True:
        written, spans = write(text, sorted(planted.items()))
        found = sites.errors(root, file, written)
        if not found:
            break
        blamed = {number for offset, _ in found for number in _to_blame(spans, offset)}
        if not blamed:
            raise NotPlanted(f"{file} with faults: {found[0][1]}")
        for number in blamed:
            del planted[number]
    # Numbers without gaps, whatever was taken out.
    planted = dict(enumerate(planted.values(), first))
    return write(text, sorted(planted.items()))[0], planted

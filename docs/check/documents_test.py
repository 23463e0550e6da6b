#!/usr/bin/env python3
"""Every block of every document: accounted for, true, and run.

usage: documents_test.py [DOCUMENT...]    (all documents, when none is given)
"""

import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).absolute().parent))

import blocks  # noqa: E402
import console  # noqa: E402
import place  # noqa: E402
import sources  # noqa: E402


def check(root, path):
    """Checks one document; prints what it did. Returns what is wrong."""
    found = blocks.parse(str(path), (root / path).read_text())
    wrong = blocks.unaccounted(found) + sources.strangers(root, found)
    with place.Place(root) as folder:
        failed, ran, skipped = console.run(found, folder)
    shown = sum(1 for block in found if block.sources)
    marked = sum(1 for block in found if "not run here" in block.notes)
    print(f"{path}: {len(found)} blocks: {shown} of code, {marked} not run; {ran} commands ran")
    for line in skipped:
        print(f"  {line}")
    return wrong + failed


def main(arguments):
    root = pathlib.Path.cwd()
    names = [pathlib.Path(name) for name in arguments]
    documents = names or sorted(path.relative_to(root) for folder in ("*.md", "docs/**/*.md")
                                for path in root.glob(folder))
    wrong = [line for path in documents for line in check(root, path)]
    if not names and len(documents) < 20:
        wrong.append(f"only {len(documents)} documents found")
    for line in wrong:
        print(f"\n{line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

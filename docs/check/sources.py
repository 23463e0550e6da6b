"""Code that a document shows is that of a source file."""

import textwrap


def _dedented(lines):
    return textwrap.dedent("\n".join(lines)).split("\n")


def _stands_in(shown, text):
    """Whether the lines stand together in the text, but for their indentation."""
    lines = [line.rstrip() for line in text.splitlines()]
    for at in range(len(lines) - len(shown) + 1):
        # Most places differ in the first line.
        if lines[at].strip() == shown[0].strip() and _dedented(lines[at:at + len(shown)]) == shown:
            return True
    return False


def strangers(root, blocks):
    """A line for each code block that is in none of the sources it names."""
    wrong = []
    for block in blocks:
        if not block.sources or "not run here" in block.notes or "file" in block.notes:
            continue
        shown = _dedented([line.rstrip() for line in block.lines])
        if not any(line.strip() for line in shown):
            wrong.append(f"{block.where}: an empty block")
            continue
        texts = []
        for name in block.sources:
            if (root / name).is_file():
                texts.append((root / name).read_text())
            else:
                wrong.append(f"{block.where}: there is no {name}")
        if not any(_stands_in(shown, text) for text in texts):
            wrong.append(f"{block.where}: these lines do not stand together in {' or '.join(block.sources)}")
    return wrong

"""What a document names is there: files, headings, Bazel labels, tests."""

import importlib.machinery
import importlib.util
import re

_LINK = re.compile(r"\[([^\]\[]*)\]\(([^()\s]+)\)")
_SPAN = re.compile(r"`([^`\n]+)`")
_LABEL = re.compile(r"//([\w/.-]*)(?::([\w.-]+))?$")
_PATH = re.compile(r"[\w.-]+(?:/[\w.@{},*-]+)+/?$|[\w-]+/$")
_TEST = re.compile(r"\w+\.\w+$")


def _conformance(root):
    """tools/conformance, which knows what a test looks like."""
    path = str(root / "tools/conformance")
    loader = importlib.machinery.SourceFileLoader("conformance", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("conformance", loader))
    loader.exec_module(module)
    return module


def _prose(text):
    """The text without its blocks; lines keep their numbers."""
    return re.sub(r"^ *```.*?^ *```\s*?$", lambda block: "\n" * block[0].count("\n"), text,
                  flags=re.DOTALL | re.MULTILINE)


def _anchors(text):
    """The headings, as GitHub names them in addresses."""
    titles = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def label_is_there(root, label):
    """Whether a BUILD file has a target of that name."""
    match = _LABEL.match(label)
    if not match:
        return False
    package, name = match[1], match[2]
    if package.endswith("..."):
        return any((root / package.removesuffix("...")).glob("**/BUILD.bazel"))
    build = root / package / "BUILD.bazel"
    name = name or package.rsplit("/", 1)[-1]
    if not build.is_file():
        return False
    # A list of tests in a BUILD file has their names without the end.
    is_test = name.endswith("_test") and any(build.parent.glob(f"{name}.*"))
    return name == "all" or f'"{name}"' in build.read_text() or is_test


def _options(path):
    """What a shell makes of one pair of braces."""
    before, brace, rest = path.partition("{")
    inside, _, after = rest.partition("}")
    return [before + one + after for one in inside.split(",")] if brace else [path]


def _path_is_there(root, path):
    if not (root / path.split("/")[0]).is_dir() or path.startswith("bazel-"):
        return True  # Not one of ours.
    ends = ("", ".h", ".proto", ".cc")
    return all(any(any(root.glob(option.rstrip("/") + end)) for end in ends) for option in _options(path))


class References:
    """Checks one document after the other, and reads each test's source once."""

    def __init__(self, root):
        self._root = root
        self._test = _conformance(root).TEST
        self._tests = {}

    def _has_test(self, path, name):
        if path not in self._tests:
            found = (self._test.match(line) for line in path.read_text().splitlines())
            self._tests[path] = {f"{match[1]}.{match[2]}" for match in found if match}
        return name in self._tests[path]

    def _link(self, document, text, target):
        """What is wrong with a link, or nothing."""
        if "://" in target or target.startswith("mailto:"):
            return None
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists():
            return f"there is no {target}"
        if anchor and anchor not in _anchors(path.read_text()):
            return f"{target}: no such heading"
        if path.name.endswith("_test.cc") and _TEST.match(text) and not self._has_test(path, text):
            return f"{name} has no test {text}"
        return None

    def _span(self, text):
        word = text.split()[0] if text.split() else ""
        if _LABEL.match(word) and word != "//":
            return None if label_is_there(self._root, word) else f"there is no target {word}"
        if _PATH.match(word):
            return None if _path_is_there(self._root, word) else f"there is no {word}"
        return None

    def wrong(self, name):
        """A line for each thing that the document names and that is not there."""
        document = self._root / name
        found = []
        for number, line in enumerate(_prose(document.read_text()).splitlines(), 1):
            problems = [self._link(document, *match) for match in _LINK.findall(line)]
            problems += [self._span(span) for span in _SPAN.findall(line)]
            found += [f"{name}:{number}: {problem}" for problem in problems if problem]
        return found

    def misdrawn(self, name):
        """A line for each folder and type that a picture names and that is not there.

        Pictures mark them: class="path", class="name"."""
        text = (self._root / name).read_text()
        found = [f"{name}: there is no folder {path}" for path in re.findall(r'class="path"[^>]*>([^<]+)<', text)
                 if not (self._root / path).is_dir()]
        headers = None
        for word in " ".join(re.findall(r'class="name"[^>]*>([^<]+)<', text)).split():
            headers = headers or "\n".join(path.read_text() for folder in ("core", "bus", "device", "backends")
                                           for path in self._root.glob(f"{folder}/**/*.h"))
            if not re.search(rf"^(?:class|struct) {word}\b", headers, re.MULTILINE):
                found.append(f"{name}: there is no type {word}")
        return found

    def unbuilt(self, blocks):
        """A line for each test that is to run a block's code, and is not there."""
        found = []
        for block in blocks:
            if "code of" not in block.notes:
                continue
            if not label_is_there(self._root, block.run_by):
                found.append(f"{block.where}: run by: there is no target {block.run_by}")
            package = _LABEL.match(block.run_by)
            build = self._root / (package[1] if package else ".") / "BUILD.bazel"
            built = build.read_text() if build.is_file() else ""
            for source in block.sources:
                folder, _, name = source.removeprefix(f"{package[1]}/" if package else "").rpartition("/")
                if f'"{name}"' not in built and f'"{folder}/{name}"' not in built and f'"{folder}/*"' not in built:
                    found.append(f"{block.where}: {build.relative_to(self._root)} has no {source}")
        return found

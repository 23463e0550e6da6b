"""A copy of the repository with all faults in it, and its tests, built."""

import concurrent.futures
import dataclasses
import hashlib
import json
import pathlib
import subprocess

import plant
import sites

# What is broken, and the tests that are to see it.
PACKAGES = ("//core/...", "//bus/...", "//device/...")
_BUILD = ("--config=ci", "--config=clang", "--keep_going", "--copt=-w", "--copt=-Wno-c++11-narrowing")


class Failed(Exception):
    """Something the faults are not to blame for: says what."""


def _bazel(folder, *arguments):
    done = subprocess.run(["bazel", *arguments], cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Failed(f"bazel {arguments[0]} failed in {folder}")
    return done.stdout.split()


def _query(folder, expression):
    return _bazel(folder, "query", "--noshow_progress", "--ui_event_filters=-info", expression)


def _path(label):
    return label.removeprefix("//").replace(":", "/").removeprefix("/")


def library_sources(folder, packages):
    """What the libraries are made of, without those that only tests use."""
    every = " + ".join(packages)
    libraries = f"kind(cc_library, {every}) except attr(testonly, 1, {every})"
    labels = _query(folder, f"labels(srcs, {libraries}) + labels(hdrs, {libraries})")
    return sorted(_path(label) for label in labels if label.endswith((".h", ".cc")))


def test_binaries(folder, packages):
    """The paths of the C++ tests, from the root of the repository."""
    return sorted(_path(label) for label in _query(folder, f"kind(cc_test, {' + '.join(packages)})"))


def _digest(*texts):
    return hashlib.sha256("\0".join(texts).encode("latin-1", "replace")).hexdigest()


def _planted(root, file, kept):
    """The faults of a source that compile.

    Looking for the faults takes some seconds: what was found in the same source
    by the same code is kept in the folder `kept`.
    """
    own = [sites.read(pathlib.Path(module.__file__)) for module in (sites, plant)]
    path = kept / _digest(file, sites.read(root / file), *own)
    if path.exists():
        return [sites.Fault(**fields) for fields in json.loads(path.read_text(encoding="utf-8"))]
    found = list(plant.plant(root, file, sites.find(root, file), 1)[1].values())
    path.write_text(json.dumps([dataclasses.asdict(fault) for fault in found]), encoding="utf-8")
    return found


def plant_all(root, files, kept, processes):
    """{number: Fault} and {file: text} of all files."""
    kept.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ProcessPoolExecutor(processes) as pool:
        found = list(pool.map(_planted, [root] * len(files), files, [kept] * len(files)))
    faults, texts = {}, {}
    for file, of_file in zip(files, found):
        numbered = list(enumerate(of_file, len(faults) + 1))
        faults.update(numbered)
        texts[file] = plant.write(sites.read(root / file), numbered)[0]
    return faults, texts


def copy(root, folder, texts):
    """Makes `folder` what git has of `root`, with `texts` in place of files.

    Touches no file that is as it should be, so that it is not built again.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    wanted = {name for name in listed.stdout.split("\0") if name and (root / name).is_file()}
    for path in list(folder.rglob("*")) if folder.exists() else []:
        name = path.relative_to(folder)
        if not name.parts[0].startswith("bazel-") and path.is_file() and str(name) not in wanted:
            path.unlink()
    for name in wanted:
        content = texts[name].encode("latin-1") if name in texts else (root / name).read_bytes()
        path = folder / name
        if path.exists() and path.read_bytes() == content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod((root / name).stat().st_mode)


def build(folder, tests):
    """Builds the tests; the folder that has them."""
    labels = ["//" + ":".join(test.rsplit("/", 1)) for test in tests]
    _bazel(folder, "build", *_BUILD, *labels)
    return pathlib.Path(_bazel(folder, "info", *_BUILD, "bazel-bin")[-1])



def sandbox(folder):
    """Bazel's own sandbox, a program that needs no Bazel to run."""
    return pathlib.Path(_bazel(folder, "info", "install_base")[-1]) / "linux-sandbox"

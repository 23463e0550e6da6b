"""Runs the tests with a fault chosen, where it can do no harm."""

import dataclasses
import os
import pathlib
import resource
import subprocess
import tempfile
import time

# A test of a mutant has this many seconds more than five times what it takes.
_PATIENCE = 5
_MEMORY = 4 << 30
_FILE = 256 << 20


@dataclasses.dataclass
class Test:
    path: str  # Below the folder of the binaries.
    seconds: float = 0
    reaches: frozenset = frozenset()  # Numbers of faults.


def _limits():
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE, _FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Runner:
    """Tests below `binaries`, by Bazel's `sandbox`: nothing but /tmp, /dev/shm
    and a folder of the run's own can be written, there is no network, and no
    process survives the test."""

    def __init__(self, sandbox, binaries):
        self._sandbox = sandbox
        self._binaries = pathlib.Path(binaries)

    def passes(self, path, limit, mutant=None, reached=None, output=subprocess.DEVNULL):
        """Whether the test passes within `limit` seconds; what it says is `output`'s."""
        with tempfile.TemporaryDirectory(dir=self._folder()) as own:
            environment = {
                "PATH": "/usr/bin:/bin",
                "TEST_TMPDIR": own,
                "TEST_SRCDIR": str(self._binaries / f"{path}.runfiles"),
                "TEST_WORKSPACE": "ivshmem",
                # One failure is enough, and the same one each time.
                "GTEST_FAIL_FAST": "1",
                "RC_PARAMS": "seed=1 noshrink=1",
            }
            writable = [own]
            if mutant is not None:
                environment["IVSHMEM_MUTANT"] = str(mutant)
            if reached is not None:
                environment["IVSHMEM_REACHED"] = str(reached)
                writable.append(str(reached.parent))
            command = [str(self._sandbox), "-W", str(self._binaries / f"{path}.runfiles/ivshmem")]
            command += ["-e", "/tmp", "-e", "/dev/shm", "-N", "-T", str(int(limit + 1)), "-t", "1"]
            command += [part for name in writable for part in ("-w", name)]
            done = subprocess.run(
                [*command, "--", str(self._binaries / path)],
                env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                preexec_fn=_limits, check=False,
            )  # fmt: skip
            return done.returncode == 0

    @staticmethod
    def _folder():
        # Not below /tmp, which is empty for the tests.
        folder = pathlib.Path(os.environ.get("XDG_RUNTIME_DIR", "/var/tmp"))
        return folder if folder.is_dir() else pathlib.Path("/var/tmp")

    def measure(self, path):
        """The test without a fault: how long it takes and what it reaches.

        The end of what it said, a string, when it does not pass.
        """
        with tempfile.TemporaryDirectory(dir=self._folder()) as folder:
            reached = pathlib.Path(folder) / "reached"
            said = pathlib.Path(folder) / "said"
            start = time.monotonic()
            with said.open("w") as output:
                passed = self.passes(path, 120, reached=reached, output=output)
            if not passed:
                return said.read_text(encoding="utf-8", errors="replace")[-4000:]
            seconds = time.monotonic() - start
            numbers = reached.read_text(encoding="ascii").split() if reached.exists() else []
        return Test(path, seconds, frozenset(map(int, numbers)))

    def killer(self, number, file, tests):
        """The test that fails with fault `number` of `file`; None if none does."""
        for test in in_order(number, file, tests):
            if not self.passes(test.path, _PATIENCE + 5 * test.seconds, mutant=number):
                return test.path
        return None


def in_order(number, file, tests):
    """The tests that reach the fault, the likeliest to fail first: those of its
    folder, of these the one that is named after the file, then the quick ones."""
    folder, name = file.rsplit("/", 1)
    stem = name.split(".")[0]

    def rank(test):
        test_folder, test_name = test.path.rsplit("/", 1)
        return test_folder != folder, test_name != f"{stem}_test", not test_name.startswith(stem), test.seconds

    return sorted((test for test in tests if number in test.reaches), key=rank)

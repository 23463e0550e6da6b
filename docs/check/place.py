"""The folder in which a document's commands run, and the commands it has there."""

import os
import pathlib
import tempfile

# Bazel does not run inside of its own tests. What a document has it build is
# there, or the test's `data` lacks it.
_BAZEL = """\
#!/usr/bin/env bash
built() {
  local label=${1#//}
  local package=${label%%:*} name=${label##*:}
  echo "bazel-bin/$package/${name##*/}"
}
verb=$1
shift
case $verb in
  build)
    for label in "$@"; do
      [[ $label == -* || -e $(built "$label") ]] || { echo "bazel: the test has no $label"; exit 1; }
    done
    ;;
  run)
    program=$(built "$1")
    shift
    [[ ${1-} != -- ]] || shift
    cd bazel-bin  # As Bazel does.
    exec "${program#bazel-bin/}" "$@"
    ;;
  *)
    echo "bazel: the test has no bazel $verb"
    exit 1
    ;;
esac
"""

# These build and run, but here all is built.
_DEMO = """\
#!/usr/bin/env bash
exec bazel-bin/examples/two_guests/two_guests "$@"
"""

_INSTALL = """\
#!/usr/bin/env bash
cd bazel-bin
exec packaging/install "$@"
"""


class Place:
    """An empty folder with the repository's data and the built programs."""

    def __init__(self, root):
        self._temporary = tempfile.TemporaryDirectory(prefix="ivshmem.", dir="/tmp")
        self.folder = pathlib.Path(self._temporary.name)
        self._program("bin/bazel", _BAZEL)
        self._program("tools/demo", _DEMO)
        self._program("tools/install", _INSTALL)
        (self.folder / "bazel-bin").symlink_to(root)
        for shared in ("examples", "testdata"):
            (self.folder / shared).symlink_to(root / shared)
        (self.folder / "bin/ivshmem").symlink_to(root / "tools/ivshmem/ivshmem")
        # A rustc of rustup's looks for itself at home.
        rustup = os.environ.get("RUSTUP_HOME", os.path.expanduser("~/.rustup"))
        self.environment = dict(os.environ, PATH=f"{self.folder}/bin:{os.environ['PATH']}", HOME=str(self.folder),
                                RUSTUP_HOME=rustup, LC_ALL="C.UTF-8")

    def _program(self, name, text):
        path = pathlib.Path(self.write(name, text))
        path.chmod(0o755)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._temporary.cleanup()

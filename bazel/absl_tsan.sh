#!/usr/bin/env bash
# Builds Abseil with ThreadSanitizer, once for each version, and keeps it in the
# user's cache. Debian's own build is not instrumented: TSan cannot see that its
# absl::Mutex orders anything and reports races in correct code.
#
#   bazel/absl_tsan.sh          builds libabsl.a if it is not there yet
#   bazel/absl_tsan.sh --path   only prints where it is (or would be)
set -euo pipefail

version=$(dpkg-query --show --showformat='${Version}' libabsl-dev)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ivshmem
archive=$cache/absl-$version-tsan/libabsl.a

if [[ ${1-} == --path ]]; then
  echo "$archive"
  exit
fi
[[ -e $archive ]] && exit

mkdir -p "$cache"
exec 9> "$cache/lock" # One build at a time; a second caller finds the first's result.
flock 9
[[ -e $archive ]] && exit

echo "Building Abseil $version with ThreadSanitizer (about a minute, once) ..."
rm -rf "$cache"/absl.?????? # A build that was killed.
work=$(mktemp -d "$cache/absl.XXXXXX")
trap 'rm -rf "$work"' EXIT
log=$work/log

build() {
  # The source of exactly the installed package, through a private list: the
  # machine's own sources, asked for source packages.
  mkdir -p "$work"/{parts,state/lists/partial,cache/archives/partial,source,build}
  local file
  for file in /etc/apt/sources.list.d/*.sources; do
    sed 's/^Types:.*/Types: deb-src/' "$file" > "$work/parts/${file##*/}"
  done
  for file in /etc/apt/sources.list* /etc/apt/sources.list.d/*.list; do
    [[ ! -f $file ]] || sed -n 's/^deb /deb-src /p' "$file" > "$work/parts/${file##*/}.list"
  done
  local apt=(apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/parts"
    -o Dir::State="$work/state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$work/cache"
    -o APT::Sandbox::User=) # No other user can write here.
  "${apt[@]}" update
  (cd "$work" && "${apt[@]}" source --download-only "abseil=$version")
  dpkg-source --no-check --extract "$work"/abseil_*.dsc "$work/source/abseil"

  cmake -S "$work/source/abseil" -B "$work/build" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
    -DCMAKE_CXX_STANDARD=17 -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_TESTING=OFF \
    -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS='-fsanitize=thread -O1 -g -fno-omit-frame-pointer -w'
  cmake --build "$work/build" --parallel "$(nproc)"

  # One archive of everything: no link order to keep.
  mkdir "$work/done"
  find "$work/build" -name '*.o' -print0 | xargs -0 ar qcs "$work/done/libabsl.a"
}
# As a process of its own: inside a condition, bash would ignore `set -e`.
export -f build
export work version
bash -c 'set -euo pipefail; shopt -s nullglob; build' > "$log" 2>&1 9>&- || {
  tail -20 "$log" >&2
  echo "Could not build Abseil with ThreadSanitizer (above: the end of the log)." >&2
  exit 1
}
mv "$work/done" "${archive%/*}" # Complete, or not there at all.

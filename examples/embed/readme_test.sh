#!/usr/bin/env bash
# The examples that the README shows are those that are built, and they run.
set -euo pipefail

fail() {
  echo "readme_test: $*"
  exit 1
}

# The Nth block of C++ in the README is what FILE has between two lines of MARK.
check() {
  local n=$1 file=$2 mark=$3 shown built
  shown=$(awk -v n="$n" '/^```/ { inside = /^```cpp$/; block += inside; next }
    inside && block == n' README.md)
  built=$(sed -n "/^\/\/ \[$mark\]\$/,/^\/\/ \[$mark\]\$/p" "$file" | sed '1d;$d')
  [[ -n $built ]] || fail "no example in $file"
  diff <(echo "$shown") <(echo "$built") || fail "README.md and $file differ"
  (($(grep -cv '^ *$' <<< "$built") <= 20)) || fail "more than 20 lines in $file"
}

check 1 examples/embed/embed.cc embed
check 2 examples/embed/join.cc join

examples/embed/embed || fail "embed fails"

folder=$(mktemp -d /tmp/ivshmem.XXXXXX)
trap 'kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
tools/ivshmem/ivshmem server --socket "$folder/socket" --vectors 2 &
server=$!
for ((i = 0; i < 300; ++i)); do
  [[ -S $folder/socket ]] && break
  sleep 0.1
done
examples/embed/join "$folder/socket" || fail "join fails"
! examples/embed/join "$folder/nobody" 2> /dev/null || fail "join joins nobody"

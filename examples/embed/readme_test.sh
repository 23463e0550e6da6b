#!/usr/bin/env bash
# The examples that README and docs/embedding.md show run, and are as short as
# the README says.
set -euo pipefail

fail() {
  echo "readme_test: $*"
  exit 1
}

# The function NAME of FILE has 20 lines at most.
check() {
  local file=$1 name=$2 lines
  lines=$(sed -n "/^absl::Status $name(/,/^}/p" "$file" | grep -cv '^ *$')
  ((lines > 5 && lines <= 20)) || fail "$name in $file has $lines lines"
}

check examples/embed/embed.cc Embed
check examples/embed/join.cc Join

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

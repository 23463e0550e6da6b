#!/usr/bin/env bash
# The VMMs in C, Rust and Python are built as their users would, against what is
# installed, and run: alone, and with each other by a server.
set -euo pipefail

fail() {
  echo "outside_vmms_test: $*"
  for log in "$folder"/*.log; do echo "--- $log" && cat "$log"; done
  exit 1
}

folder=$(mktemp -d /tmp/ivshmem.XXXXXX)
server=
trap '[[ -z $server ]] || kill "$server"; rm -rf "$folder"' EXIT

packaging/install --prefix "$folder/prefix" > "$folder/install.log"
export PKG_CONFIG_PATH=$folder/prefix/lib/pkgconfig
export LD_LIBRARY_PATH=$folder/prefix/lib PYTHONDONTWRITEBYTECODE=1

read -ra flags <<< "$(pkg-config --cflags --libs ivshmem)"
cc -std=gnu11 -Wall -Wextra -Werror examples/c_vmm/{vmm,guest}.c "${flags[@]}" -o "$folder/c_vmm"
rustc --edition 2021 -D warnings -C linker=cc -L "$folder/prefix/lib" examples/rust_vmm/main.rs -o "$folder/rust_vmm"

c=("$folder/c_vmm")
played=("$folder/c_vmm" --no-kvm)
rust=("$folder/rust_vmm")
python=(examples/python_vmm/vmm.py)

# VMM ID PEER: it said that its guest heard the other's, and was restored.
said_all() {
  grep -q "^guest $2 .* rang $3, was interrupted, and read 0x600d000$3 from it\$" "$folder/$1.log" \
    && grep -q '^saved in [0-9]* bytes and restored: the interrupt that was held came$' "$folder/$1.log"
}

for vmm in c played rust python; do
  declare -n chosen=$vmm
  timeout 60 "${chosen[@]}" > "$folder/$vmm.log" 2>&1 || fail "$vmm: status $?"
  said_all "$vmm" 0 0 || fail "$vmm: another report"
  ! "${chosen[@]}" too few arguments > "$folder/$vmm.log" 2>&1 || fail "$vmm takes any arguments"
done
[[ ! -w /dev/kvm ]] || "${c[@]}" | grep -q '^guest 0 (KVM) ' || fail "c: not on KVM"

# Each pair by a server of its own, which gives the ids in the order of joining.
pair() {
  local -n first=$1 second=$2
  local socket=$folder/$1-$2
  "$folder/prefix/bin/ivshmem" server --socket "$socket" --size 64K --status-socket "$socket.status" > "$socket.log" 2>&1 &
  server=$!
  for ((i = 0; i < 300; ++i)); do
    [[ -S $socket ]] && break
    sleep 0.1
  done
  timeout 60 "${first[@]}" "$socket" 1 > "$folder/$1.log" 2>&1 &
  local running=$!
  for ((i = 0; i < 300; ++i)); do
    [[ $("$folder/prefix/bin/ivshmem" status --status-socket "$socket.status" --json) == *'"joined": 1'* ]] && break
    sleep 0.1
  done
  timeout 60 "${second[@]}" "$socket" 0 > "$folder/$2.log" 2>&1 || fail "$2, with $1: status $?"
  wait "$running" || fail "$1, with $2: status $?"
  said_all "$1" 0 1 && said_all "$2" 1 0 || fail "$1 and $2: another report"
  kill "$server" && wait "$server" || fail "the server of $1 and $2: status $?"
  server=
}
pair c rust
pair rust python
pair python played

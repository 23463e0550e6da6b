#!/usr/bin/env bash
# Rule 1 of the design: core needs nothing but itself, Abseil and the language's
# library. So no other folder, no protobuf and no operating system.
set -euo pipefail

# Prints what in the list of targets $1 core must not need.
forbidden_targets() {
  grep -vE '^(//core(/[a-z_]+)*:|@com_google_absl//)' "$1" || true
}

# Prints the lines of the given sources that reach outside: what is neither core
# nor Abseil, nor a header of C++ (<vector>; not <unistd.h>, not <sys/mman.h>).
forbidden_includes() {
  grep -nE '^[[:space:]]*#[[:space:]]*(include|import)' "$@" |
    grep -vE '#include ("core/[a-z_/]+\.h"|"absl/[a-z_/]+\.h"|<[a-z_]+>)$' || true
}

fail() {
  echo "independence_test: $1"
  exit 1
}

# Checks the package $1 by the list of its dependencies $2; it has more than $3
# sources.
check_package() {
  local package=$1 list=$2 source sources=()
  grep -q '^@com_google_absl//' "$list" || fail "the list of the dependencies of $package lacks Abseil"
  found=$(forbidden_targets "$list")
  [[ -z $found ]] || fail "$package needs: $found"
  for source in "$package"/*.h "$package"/*.cc; do
    [[ $source == *_test.cc ]] && continue
    sources+=("$source")
    # The list has all libraries when it has all that they are made of.
    grep -qxF "//$package:${source##*/}" "$list" || fail "no library of the list has $source"
  done
  ((${#sources[@]} > $3)) || fail "only ${#sources[@]} sources found in $package"
  found=$(forbidden_includes "${sources[@]}")
  [[ -z $found ]] || fail "$package includes: $found"
}

core=core/core_dependencies
protocol=core/protocol/protocol_dependencies
check_package core "$core" 15
check_package core/protocol "$protocol" 7

# The device knows nothing of a server.
! grep '^//core/protocol' "$core" || fail "core needs core/protocol"
grep -q '^//core/protocol:' "$protocol" || fail "the search for core/protocol would find nothing"

# The checks can fail: they do for the layer above, and for each of these lines.
[[ -n $(forbidden_targets core/device_dependencies) ]] || fail "the check of targets lets everything pass"
for line in '<sys/mman.h>' '<unistd.h>' '<fcntl.h>' '<linux/kvm.h>' '<poll.h>' '<pthread.h>' '"bus/access.h"' \
  '"backends/host_memory.h"' '"device/pci_device.h"' '"proto/config.pb.h"' '"google/protobuf/message.h"'; do
  [[ -n $(forbidden_includes <(echo "#include $line")) ]] || fail "the check of includes lets $line pass"
done

echo "core needs $(sort -u "$core" "$protocol" | grep -c '^//core') targets of its own and Abseil"

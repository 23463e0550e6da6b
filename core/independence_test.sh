#!/usr/bin/env bash
# Rule 1 of the design: core needs nothing but itself, Abseil and the language's
# library. So no other folder, no protobuf and no operating system.
set -euo pipefail

# Prints what in the list of targets $1 core must not need.
forbidden_targets() {
  grep -vE '^(//core:|@com_google_absl//)' "$1" || true
}

# Prints the lines of the given sources that reach outside: what is neither core
# nor Abseil, nor a header of C++ (<vector>; not <unistd.h>, not <sys/mman.h>).
forbidden_includes() {
  grep -nE '^[[:space:]]*#[[:space:]]*(include|import)' "$@" |
    grep -vE '#include ("core/[a-z_]+\.h"|"absl/[a-z_/]+\.h"|<[a-z_]+>)$' || true
}

fail() {
  echo "independence_test: $1"
  exit 1
}

core=core/core_dependencies
grep -q '^@com_google_absl//' "$core" || fail "the list of core's dependencies lacks Abseil"
found=$(forbidden_targets "$core")
[[ -z $found ]] || fail "core needs: $found"

sources=()
for source in core/*.h core/*.cc; do
  [[ $source == *_test.cc ]] && continue
  sources+=("$source")
  # The list has all libraries when it has all that they are made of.
  grep -qxF "//core:${source#core/}" "$core" || fail "no library of the list has $source"
done
((${#sources[@]} > 15)) || fail "only ${#sources[@]} sources found"
found=$(forbidden_includes "${sources[@]}")
[[ -z $found ]] || fail "core includes: $found"

# The checks can fail: they do for the layer above, and for each of these lines.
[[ -n $(forbidden_targets core/device_dependencies) ]] || fail "the check of targets lets everything pass"
for line in '<sys/mman.h>' '<unistd.h>' '<fcntl.h>' '<linux/kvm.h>' '<poll.h>' '<pthread.h>' '"bus/access.h"' \
  '"backends/host_memory.h"' '"device/pci_device.h"' '"proto/config.pb.h"' '"google/protobuf/message.h"'; do
  [[ -n $(forbidden_includes <(echo "#include $line")) ]] || fail "the check of includes lets $line pass"
done

echo "core needs $(grep -c '^//core:' "$core") targets of its own and Abseil"

#!/usr/bin/env bash
# Rule 1 of the design: core needs nothing of the other folders, no protobuf and
# no operating system.
set -euo pipefail

# Prints what in the list of targets $1 core must not need.
forbidden_targets() {
  grep -E '^(//(bus|backends|device|proto|capi|examples|tools)[/:]|@com_google_protobuf//|@unicorn//)' "$1" || true
}

# Prints the lines of the given sources that reach outside.
forbidden_includes() {
  grep -nE '#include [<"](sys/|linux/|unistd\.h|fcntl\.h|poll\.h|pthread\.h|google/protobuf|bus/|backends/|device/|proto/)' "$@" || true
}

fail() {
  echo "independence_test: $1"
  exit 1
}

core=core/core_dependencies
grep -q '^//core:device$' "$core" || fail "the list of core's dependencies lacks core itself"
grep -q '^@com_google_absl//' "$core" || fail "the list of core's dependencies lacks Abseil"
found=$(forbidden_targets "$core")
[[ -z $found ]] || fail "core needs: $found"

# The check can fail: it does for the layer above.
[[ -n $(forbidden_targets core/device_dependencies) ]] || fail "the check lets everything pass"

sources=()
for source in core/*.h core/*.cc; do
  [[ $source == *_test.cc ]] || sources+=("$source")
done
((${#sources[@]} > 15)) || fail "only ${#sources[@]} sources found"
found=$(forbidden_includes "${sources[@]}")
[[ -z $found ]] || fail "core includes: $found"
[[ -n $(forbidden_includes <(echo '#include <sys/mman.h>')) ]] || fail "the check of includes lets everything pass"

echo "core needs $(grep -c '^//core:' "$core") targets of its own and Abseil"

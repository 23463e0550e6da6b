#!/usr/bin/env bash
# The model shares nothing with the device that it judges, not even a constant:
# it needs itself, the two schemas, the interface of a subject and Abseil.
set -euo pipefail
cd testing/conformance/model

# Prints what in the list of targets $1 the model must not need. Protobuf and
# its compiler come with the schemas.
forbidden_targets() {
  grep -vE '^(//testing/conformance/model:|//proto:(config|script)(_cc)?(_proto|\.proto)$|//script:subject(\.h)?$|@)' "$1" || true
}

# Prints the lines of the sources $@ that reach into the library.
forbidden_includes() {
  grep -hE '^[[:space:]]*#[[:space:]]*(include|import)[[:space:]]*"' "$@" |
    grep -vE '"(testing/conformance/model/[a-z_]+\.h|script/subject\.h|proto/(config|script)\.pb\.h|absl/[a-z_/]+\.h)"' || true
}

fail() {
  echo "independence_test: $1"
  exit 1
}

grep -qxF //testing/conformance/model:registers model_dependencies || fail "the list of dependencies lacks the model"
found=$(forbidden_targets model_dependencies)
[[ -z $found ]] || fail "the model needs: $found"

sources=()
for source in *.h *.cc; do
  [[ $source == *_test.cc ]] && continue
  grep -qxF "//testing/conformance/model:$source" model_dependencies || fail "no library of the list has $source"
  sources+=("$source")
done
((${#sources[@]} > 10)) || fail "only ${#sources[@]} sources found"
found=$(forbidden_includes "${sources[@]}")
[[ -z $found ]] || fail "the model includes: $found"

# The checks can fail.
[[ -n $(forbidden_targets library_dependencies_of_another) ]] || fail "the check of targets lets everything pass"
for line in '"core/registers.h"' '"bus/pci/registers.h"' '"proto/config.h"' '"script/library_subject.h"'; do
  [[ -n $(forbidden_includes <(echo "#include $line")) ]] || fail "the check of includes lets $line pass"
done

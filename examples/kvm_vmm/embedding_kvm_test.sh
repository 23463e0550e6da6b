#!/usr/bin/env bash
# The C++ that docs/embedding-kvm.md shows is that of the VMM, which
# //examples/kvm_vmm:kvm_vmm_test runs. Only the indentation may differ.
set -euo pipefail

document=docs/embedding-kvm.md
folder=examples/kvm_vmm

# The lines of standard input without their indentation, one before each a "|".
lines() {
  sed 's/^ *//; s/^/|/'
}

code=$(cat "$folder"/{main,machine,vcpu}.cc | lines)
blocks=$(grep -c '^```cpp$' "$document")
((blocks >= 8)) || { echo "only $blocks blocks of C++ in $document"; exit 1; }
failed=0
for ((n = 1; n <= blocks; ++n)); do
  block=$(awk -v n="$n" '/^```/ { inside = /^```cpp$/; block += inside; next }
    inside && block == n' "$document" | lines)
  if [[ $code$'\n' != *$'\n'"$block"$'\n'* ]]; then
    printf 'block %d of %s is not in %s:\n%s\n' "$n" "$document" "$folder" "$block"
    failed=1
  fi
done
exit "$failed"

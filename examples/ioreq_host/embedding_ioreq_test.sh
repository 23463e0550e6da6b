#!/usr/bin/env bash
# The C++ that docs/embedding-ioreq.md shows is that of the programs here. Only
# the indentation may differ. The one that needs no hypervisor works, the others
# say what is missing on a machine without one.
set -euo pipefail

document=docs/embedding-ioreq.md
folder=examples/ioreq_host

# The lines of standard input without their indentation, one before each a "|".
lines() {
  sed 's/^ *//; s/^/|/'
}

code=$(cat "$folder"/{acrn_service_vm,xen_domain0,acrn_front}.cc | lines)
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

ids=$("$folder/acrn_front")
[[ $ids == 0x11101af4 ]] || { echo "acrn_front: $ids"; failed=1; }

# Fails with status 1 and one line that has `text`, where `device` is missing.
refuses() {
  local device=$1 text=$2 status=0 err
  shift 2
  [[ ! -e $device ]] || return 0
  err=$("$@" 2>&1 < /dev/null) || status=$?
  if ((status != 1)) || [[ $err != *"$text"* || $err == *$'\n'* ]]; then
    printf '%s: exit status %d: %s\n' "$1" "$status" "$err"
    failed=1
  fi
}
refuses /dev/acrn_hsm /dev/acrn_hsm "$folder/acrn_service_vm"
refuses /dev/xen/privcmd xen "$folder/xen_domain0" 1
exit "$failed"

#!/usr/bin/env bash
# The programs whose code docs/embedding-ioreq.md shows: the one that needs no
# hypervisor works, the others say what is missing on a machine without one.
set -euo pipefail

folder=examples/ioreq_host
failed=0

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

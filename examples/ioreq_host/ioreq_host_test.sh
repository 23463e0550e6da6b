#!/usr/bin/env bash
# ioreq_host with both hypervisors, and with flags that are wrong.
set -euo pipefail

program=examples/ioreq_host/ioreq_host

fail() {
  echo "$*" >&2
  exit 1
}

for hypervisor in acrn xen; do
  out=$("$program" --hypervisor="$hypervisor" --requests 300) ||
    fail "$hypervisor: exit status $?: $out"
  for line in 'config requests: 00:04.0 is 1af4:1110' 'IVPosition is 2' \
    'rings peer 2, vector 0' 'interrupted by MSI 0x24' 'all as it should be'; do
    [[ $out == *"$line"* ]] || fail "$hypervisor: no \"$line\" in: $out"
  done
  requests=$(sed -n 's/^requests: //p' <<< "$out")
  ((requests >= 300)) || fail "$hypervisor: $requests requests, not 300"
done

for flags in '' --hypervisor=kvm '--hypervisor=acrn --requests 0' \
  '--hypervisor=xen --unknown'; do
  status=0
  # shellcheck disable=SC2086  # Several flags.
  err=$("$program" $flags 2>&1 > /dev/null) || status=$?
  ((status == 2)) || fail "\"$flags\": exit status $status, not 2"
  (($(wc -l <<< "$err") == 1)) || fail "\"$flags\": not one line: $err"
done

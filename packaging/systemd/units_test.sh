#!/usr/bin/env bash
# The server understands the flags that the service starts it with.
set -euo pipefail
unit=packaging/systemd/ivshmem-server@.service

line=$(sed -n 's/^ExecStart=//p' "$unit")
[[ $line == /usr/bin/ivshmem\ server\ * ]] || {
  echo "$unit: expected one ExecStart=/usr/bin/ivshmem server ..., got '$line'" >&2
  exit 1
}
IVSHMEM_OPTIONS="--vectors 2 --size 16M"
line=${line//%i/lab}
line=${line//\$IVSHMEM_OPTIONS/$IVSHMEM_OPTIONS}
read -ra words <<< "${line#/usr/bin/ivshmem }"
tools/ivshmem/ivshmem "${words[@]}" --check
! tools/ivshmem/ivshmem "${words[@]}" --nonsense --check 2> /dev/null

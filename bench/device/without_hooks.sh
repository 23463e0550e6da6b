#!/usr/bin/env bash
# without_hooks.sh DEVICE_H DEVICE_CC OUT_H OUT_CC: the core's device as another
# class, DeviceWithoutHooks, that counts nothing, tells no events and asks for no
# limits. Fails when the source does not have the lines that are left out.
set -euo pipefail

rename='s/\bDevice\b/DeviceWithoutHooks/g; s/IVSHMEM_CORE_DEVICE_H_/IVSHMEM_BENCH_DEVICE_WITHOUT_HOOKS_H_/'
sed -e "$rename" "$1" > "$3"

# replace FILE TIMES PATTERN TEXT: as sed does, in so many lines.
replace() {
  local found
  found=$(grep -cE "$3" "$1" || true)
  if [[ $found != "$2" ]]; then
    echo "without_hooks.sh: expected $2 lines of '$3', found $found" >&2
    exit 1
  fi
  sed -i -E "s/$3/$4/" "$1"
}

# leave_out FILE TIMES PATTERN: removes the lines that match.
leave_out() {
  replace "$1" "$2" ".*($3).*" ""
}

sed -e "$rename" -e 's|"core/device.h"|"bench/device/device_without_hooks.h"|' "$2" > "$4"
leave_out "$4" 1 'rings_\.Add\(result\);'
leave_out "$4" 1 'interrupts_\.Add\(result\);'
leave_out "$4" 1 'if \(!MayRing\(doorbell\)\) return '
replace "$4" 1 'if \(dependencies_\.events != nullptr\) dependencies_\.events->OnEvent\(event\);' 'static_cast<void>(event);'
replace "$4" 1 'ring_bucket_\.has_value\(\)' 'false'
replace "$4" 2 'if \(deferred_\.has_value\(\)\)' 'if (false)'

#!/usr/bin/env bash
# The program as a person runs it: exit status, last line, where it is written.
set -euo pipefail

program=("$TEST_SRCDIR/$TEST_WORKSPACE/examples/two_guests/two_guests")
out=$TEST_TMPDIR/out
err=$TEST_TMPDIR/err
failures=0

# expect STATUS LAST_LINE_OF_OUTPUT ERROR_OUTPUT FLAG...: both are patterns.
expect() {
  local status=0 want_status=$1 want_last=$2 want_error=$3
  shift 3
  "${program[@]}" "$@" > "$out" 2> "$err" || status=$?
  local last error
  last=$(tail -n 1 "$out")
  error=$(cat "$err")
  # shellcheck disable=SC2053
  if [[ $status != "$want_status" || $last != $want_last || $error != $want_error ]]; then
    echo "two_guests $*"
    echo "  expected status $want_status, last line '$want_last', error '$want_error'"
    echo "  got      status $status, last line '$last', error '$error'"
    failures=$((failures + 1))
  fi
}

expect 0 'OK: *' ''
expect 0 'OK: *' '' --messages=1 --trace
expect 1 'FAILED: a doorbell was lost*499 of 1000 messages answered*' '' --inject=drop-doorbell
expect 1 'FAILED: x86: message 500: its checksum is wrong' '' --inject=flip-byte
expect 0 *'2 for bad flags and for --engine=kvm without KVM.' '' --help
expect 2 '' 'two_guests: --messages: expected a whole number from 1 to 1000000, got "0"' --messages=0
expect 2 '' 'two_guests: --engine: expected kvm, unicorn or auto, got "qemu"' --engine=qemu
expect 2 '' 'two_guests: --bogus: expected a flag that --help lists, got "--bogus"' --bogus
expect 2 '' 'two_guests: --config: expected a file that can be read, got "/nowhere"' --config=/nowhere
echo 'regions { name: "r" size: 65536 } devices { name: "pc" region: "s" pci { slot: 3 } }' > "$TEST_TMPDIR/world"
expect 2 '' "two_guests: --config: $TEST_TMPDIR/world: devices\[0].region: expected one of \[r], got 's'" --config="$TEST_TMPDIR/world"
cat > "$TEST_TMPDIR/world" << 'END'
regions { name: "r" size: 65536 }
devices { name: "pc" region: "r" pci { slot: 9 vectors: 3 } }
devices { name: "board" region: "r" size: 65536
          flat { registers_address: 0x40000000 memory_address: 0x60000000 irq: 5 } }
END
expect 0 'OK: *' '' --messages=10 --config "$TEST_TMPDIR/world"
grep -q 'found at 00:09.0' "$out" || { echo "the configured slot was not used"; failures=$((failures + 1)); }

# The configurations that are kept for readers. The first is the default: the
# guests see the same.
configs=$TEST_SRCDIR/$TEST_WORKSPACE/testdata/configs
expect 0 'OK: *' '' --messages=10
head -n 13 "$out" > "$TEST_TMPDIR/default"
expect 0 'OK: *' '' --messages=10 --config="$configs/two_guests.textproto"
diff "$TEST_TMPDIR/default" <(head -n 13 "$out") || failures=$((failures + 1))
expect 0 'OK: *' '' --messages=10 --config="$configs/acrn.textproto"
grep -q '8086:0001' "$out" || { echo "not ACRN's device"; failures=$((failures + 1)); }

# What happened to the PC's device, as a Script.
expect 0 'OK: *' '' --messages=10 --record="$TEST_TMPDIR/script"
grep -q '^steps { interrupt' "$TEST_TMPDIR/script" || { echo "no interrupt was recorded"; failures=$((failures + 1)); }
expect 1 '*' 'two_guests: --record: /nowhere/script: cannot be written' --messages=10 --record=/nowhere/script

# Which engine is taken, and what it says of it. All else is above, on the one
# that `auto` takes, but for that, which the first line tells.
same() {
  expect 0 'OK: *' '' --messages=10 "$@"
  grep -v -e '^The x86 guest' -e 'kernel' -e 'round trip' -e ' time ' "$out" | sed '/./,$!d'
}
same --engine=unicorn > "$TEST_TMPDIR/unicorn"
[[ $(head -n 1 "$out") == 'The x86 guest runs on Unicorn (asked for)'* ]] || failures=$((failures + 1))
if [[ -r /dev/kvm && -w /dev/kvm ]]; then
  diff "$TEST_TMPDIR/unicorn" <(same --engine=kvm) || failures=$((failures + 1))
  same --engine=auto > /dev/null
  [[ $(head -n 1 "$out") == 'The x86 guest runs on KVM (/dev/kvm can be used)'* ]] || failures=$((failures + 1))
  for flags in '' --trace --config="$configs/acrn.textproto"; do
    # shellcheck disable=SC2086
    expect 0 'OK: *' '' --engine=kvm --messages=10 $flags
  done
  expect 1 'FAILED: a doorbell was lost*4 of 10 messages answered*' '' --engine=kvm --messages=10 --inject=drop-doorbell
  expect 1 'FAILED: x86: message 5: its checksum is wrong' '' --engine=kvm --messages=10 --inject=flip-byte
fi

# No terminal: nothing is rewritten, nothing is coloured.
"${program[@]}" --messages=10 > "$out"
if grep -q $'[\r\033]' "$out"; then
  echo "the output has control characters though it goes to a file"
  failures=$((failures + 1))
fi

# Where there is no KVM: in a namespace without /dev.
# shellcheck disable=SC2016
program=(unshare --map-root-user --mount sh -c 'mount -t tmpfs none /dev && exec "$0" "$@"' "${program[@]}")
expect 2 '' 'two_guests: --engine: expected a machine where KVM can be used, got "/dev/kvm: *"' --engine=kvm
[[ $(wc -l < "$err") == 1 ]] || { echo "not one line: $(cat "$err")"; failures=$((failures + 1)); }
expect 0 'OK: *' '' --messages=10 --engine=auto
[[ $(head -n 1 "$out") == 'The x86 guest runs on Unicorn (KVM cannot be used: /dev/kvm: '* ]] || { head -n 1 "$out"; failures=$((failures + 1)); }

((failures == 0))

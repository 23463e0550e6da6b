#!/usr/bin/env bash
# Copyright 2026 The ivshmem Authors
# SPDX-License-Identifier: Apache-2.0
#
# models_test.sh acrn|xen: spin proves the model, and finds what each BAD_ macro
# breaks.
set -euo pipefail

readonly model=$1
readonly source=$PWD/docs/ioreq/$model.pml
cd "$(mktemp --directory "${TEST_TMPDIR:-/tmp}/model.XXXXXX")"
failed=0

# check ENDS|ANSWERED MACRO...: prints what the verifier said. ENDS looks for
# broken assertions and for those who wait in vain when nothing moves any more,
# ANSWERED for those who wait for ever while others go on.
check() {
  local claim=$1 macro
  shift
  local spin=() compile=(-O1 -w) run=(-m2000000 -w22)
  for macro; do spin+=("-D$macro"); done
  if [[ $claim == ENDS ]]; then
    compile+=(-DSAFETY -DNOCLAIM)
  else
    compile+=(-DNFAIR=4)
    run+=(-a -f)  # Acceptance cycles, with weak fairness.
  fi
  # Its names of files are fixed.
  rm -f pan*
  spin "${spin[@]}" -a "$source" > spin.out 2>&1 || { cat spin.out; return; }
  gcc "${compile[@]}" -o pan pan.c
  ./pan "${run[@]}" 2>&1 || true
}

# What holds. A search that was cut short has proved nothing.
proves() {
  local said
  said=$(check "$@")
  if [[ $said != *"errors: 0"* || $said == *"too small"* || $said == *"not completed"* ]]; then
    echo "FAILED: $model $* does not hold:"
    echo "$said" | head -20
    failed=1
  else
    echo "proved: $model $*: $(grep --only-matching '[0-9]* states, stored' <<< "$said")"
  fi
}

# finds KIND CLAIM MACRO...: what is broken, and how that shows.
finds() {
  local kind=$1 said
  shift
  said=$(check "$@")
  if [[ $said != *"pan:1: $kind"* ]]; then
    echo "FAILED: $model $*: expected '$kind', got:"
    echo "$said" | head -20
    failed=1
  else
    echo "found:  $model $*: $kind"
  fi
}

readonly wrong="assertion violated" stuck="invalid end state" starved="acceptance cycle"

tested=
# Which BAD_ macros the lines below have had.
bad() {
  tested+=" ${*: -1} "
  finds "$@"
}

case $model in
  acrn)
    proves ENDS
    proves ENDS OPERATOR
    proves ENDS ONE_VCPU KERNEL_CLIENT OPERATOR
    proves ANSWERED ONE_VCPU KERNEL_CLIENT OPERATOR
    proves ANSWERED BLOCKED
    bad "$wrong" ENDS ONE_VCPU BAD_COMPLETE_BEFORE_ANSWER
    bad "$wrong" ENDS ONE_VCPU BAD_NO_TAKEN
    bad "$wrong" ENDS ONE_VCPU BAD_POLLING_READ_LATE
    bad "$wrong" ENDS ONE_VCPU BAD_STATE_BEFORE_TAKEN
    bad "$wrong" ENDS ONE_VCPU BAD_TAKEN_CLEARED_FIRST
    bad "$wrong" ENDS ONE_VCPU OPERATOR BAD_PENDING_BEFORE_REQUEST
    bad "$wrong" ENDS ONE_VCPU OPERATOR BAD_CLEAR_EARLY
    bad "$wrong" ENDS ONE_VCPU OPERATOR BAD_DESTROY_EARLY
    bad "$wrong" ENDS ONE_VCPU OPERATOR BAD_MAP_UNLOCKED
    bad "$wrong" ENDS ONE_VCPU KERNEL_CLIENT BAD_KERNEL_HANDLED_LATE
    bad "$wrong" ENDS ONE_VCPU KERNEL_CLIENT BAD_KERNEL_HANDLED_TAKEN
    bad "$wrong" ENDS BAD_STILL_LEADER_FIRST
    bad "$stuck" ENDS ONE_VCPU BAD_NO_UPCALL
    bad "$stuck" ENDS ONE_VCPU OPERATOR BAD_NOT_PAUSED
    bad "$stuck" ENDS ONE_VCPU OPERATOR BAD_NO_FIRST_LOOK
    bad "$stuck" ENDS ONE_VCPU OPERATOR BAD_UNANSWERED
    bad "$starved" ANSWERED BLOCKED BAD_ONE_THREAD
    bad "$starved" ANSWERED BLOCKED BAD_TAKEOVER_FROM_FIRST
    bad "$stuck" ENDS OPERATOR BAD_TAKEOVER_WAITS
    ;;
  xen)
    proves ENDS
    proves ENDS ONE_VCPU OPERATOR
    proves ANSWERED ONE_VCPU OPERATOR
    proves ANSWERED BLOCKED
    bad "$wrong" ENDS ONE_VCPU BAD_ANY_STATE
    bad "$wrong" ENDS ONE_VCPU BAD_COMPLETE_BEFORE_ANSWER
    bad "$wrong" ENDS ONE_VCPU BAD_NO_INPROCESS
    bad "$wrong" ENDS ONE_VCPU BAD_PORT_WRITTEN
    bad "$wrong" ENDS ONE_VCPU BAD_READY_BEFORE_REQUEST
    bad "$wrong" ENDS ONE_VCPU BAD_WHOLE_SLOT_WRITTEN
    bad "$wrong" ENDS ONE_VCPU OPERATOR BAD_DESTROY_EARLY
    bad "$stuck" ENDS ONE_VCPU BAD_EVENT_BEFORE_STATE
    bad "$stuck" ENDS ONE_VCPU BAD_MASKED_FOR_EVER
    bad "$stuck" ENDS ONE_VCPU BAD_NO_EVENT
    bad "$stuck" ENDS ONE_VCPU BAD_NO_EVENT_BACK
    bad "$stuck" ENDS ONE_VCPU BAD_UNANSWERED
    bad "$starved" ANSWERED BLOCKED BAD_ONE_THREAD
    bad "$starved" ANSWERED BLOCKED BAD_TAKEOVER_FROM_FIRST
    bad "$starved" ANSWERED BLOCKED BAD_TAKEOVER_WAITS
    ;;
esac

for macro in $(grep --only-matching '\bBAD_[A-Z_]\+' "$source" | sort --unique); do
  if [[ $macro != BAD_ && $tested != *" $macro "* ]]; then
    echo "FAILED: no line here tests $macro"
    failed=1
  fi
done
exit $failed

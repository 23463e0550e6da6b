/* Copyright 2026 The ivshmem Authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * Xen's page of synchronous requests, with all that touch it: vCPUs in the
 * hypervisor, this library's engine, and the operator who stops it.
 *
 * What is claimed, for every order in which they can run:
 *   - a request is begun once, completed once, and gets its own answer; Xen
 *     never sees a state that goes back, which would crash the domain (assert);
 *   - nobody waits for ever: nothing ends but where it may (labels end...), and
 *     a vCPU that waits is answered whatever the others do (ltl answered).
 *
 * Without any macro: two vCPUs, an engine of two threads. More joins by
 *   OPERATOR  the engine is stopped, the server disabled and destroyed;
 *   BLOCKED   a handler of vCPU 0's requests may not return.
 * A macro that begins with BAD_ takes away one of the rules that make it work;
 * models_test.sh shows that spin finds each. ONE_VCPU: one, whose requests are
 * of all kinds.
 *
 * Memory is as the barriers make it: a store is seen after what was stored
 * before it. BAD_ orders show what a missing barrier would do. Variables that
 * are not needed any more become 0, for fewer states.
 */

#ifdef ONE_VCPU
#define VCPUS 1
#else
#define VCPUS 2
#endif
#ifdef BAD_ONE_THREAD
#define THREADS 1
#else
#define THREADS 2
#endif

/* As in <xen/hvm/ioreq.h>: they have an order. */
#define NONE 0
#define READY 1
#define INPROCESS 2
#define RESPONSE 3

typedef Slot {
  byte state;
  bit request;  /* Stands for address, size, direction ... */
  bit answer;   /* Right when it equals the request. */
  bool port;    /* Whether vp_eport is what Xen put there. */
}

Slot page[VCPUS];

/* Event channels, a pair for each vCPU. To a vCPU: */
bool wake[VCPUS];
/* To the engine: a port with an event is masked and queued; another one stays
 * pending until it is unmasked. */
bool queued[VCPUS];
bool masked[VCPUS];
bool pending[VCPUS];

/* Xen's. */
bool serving = true;  /* The server is enabled. */
bool destroyed;

/* The engine's. */
byte leader = 0;  /* The thread that waits and looks. */
bool answering[THREADS];
byte at[THREADS];  /* The slot that a thread answers. */
bool stop;
bool ended[THREADS];

/* What only the claims look at. */
bool waiting[VCPUS];
bool begun[VCPUS];
bool blocked;

/* What one process does at once when only the turns of slots count. */
#ifdef BLOCKED
#define Coarsely atomic
#else
#define Coarsely
#endif

#if VCPUS == 1
#define SomeQueued queued[0]
#define SomeReady (page[0].state == READY)
#else
#define SomeQueued (queued[0] || queued[1])
#define SomeReady (page[0].state == READY || page[1].state == READY)
#endif
#if THREADS == 1
#define AllEnded ended[0]
#else
#define AllEnded (ended[0] && ended[1])
#endif

/* Xen tells the engine. */
inline NotifyEngine(v) {
  d_step {
    if
    :: masked[v] -> pending[v] = true
    :: else -> masked[v] = true; queued[v] = true
    fi
  }
}

inline Unmask(v) {
  if
  :: pending[v] -> pending[v] = false; queued[v] = true
  :: else -> masked[v] = false
  fi
}

/* Takes an event, if there is one. */
inline TakeEvent() {
  if
  :: queued[0] ->
    queued[0] = false;
#ifndef BAD_MASKED_FOR_EVER
    Unmask(0)
#endif
#if VCPUS > 1
  :: queued[1] ->
    queued[1] = false;
#ifndef BAD_MASKED_FOR_EVER
    Unmask(1)
#endif
#endif
  :: else
  fi
}

/* A vCPU alone asks anything; of two, each one thing. */
inline Fill(v) {
#if VCPUS == 1
  if
  :: page[v].request = 0
  :: page[v].request = 1
  fi;
#else
  page[v].request = v;
#endif
  page[v].answer = 1 - page[v].request
}

proctype Vcpu(byte v) {
  byte before;
end:
  do
#ifndef BLOCKED
  :: true -> break  /* Asks no more: no event of its wakes anybody then. */
#endif
  :: atomic {
      serving;
      assert(page[v].state == NONE);
      assert(page[v].port);
      waiting[v] = true;
      wake[v] = false;
#ifdef BAD_READY_BEFORE_REQUEST
      page[v].state = READY;
#else
      Fill(v)
#endif
    };
#ifdef BAD_READY_BEFORE_REQUEST
    atomic { Fill(v) };
#endif
    Coarsely {
#ifndef BAD_READY_BEFORE_REQUEST
      page[v].state = READY;
#endif
#ifndef BAD_NO_EVENT
      NotifyEngine(v)
#endif
    };
    do
    :: atomic {
        page[v].state == RESPONSE && !destroyed ->
        assert(page[v].answer == page[v].request);
        page[v].state = NONE;
        break
      }
    :: atomic {
        page[v].state != RESPONSE && !destroyed ->
        assert(page[v].state >= before && page[v].state != NONE);
#if VCPUS == 1
        before = page[v].state
#endif
      };
      /* Sleeps; an event makes it look again. */
      atomic { wake[v] || destroyed -> wake[v] = false }
    :: destroyed -> break  /* Xen lets it go on, with all ones. */
    od;
    atomic { before = 0; waiting[v] = false; begun[v] = false }
  od
}

inline Respond(v) {
  atomic {
    assert(!destroyed);  /* The page would be gone. */
#ifndef BAD_NO_INPROCESS
    assert(page[v].state == INPROCESS);
#endif
    page[v].state = RESPONSE
  }
}

/* A thread of the engine. */
proctype Thread(byte t) {
  byte v;
  bit request;
  bool whole_round;
end:
  do
  :: stop ->
    ended[t] = true;
    break
#if THREADS > 1
  /* The leader is in a handler for too long. It may not have looked at all
   * slots, whose events it has taken: those after its own come first now, then
   * the others. */
  :: atomic {
      !stop && leader != t && answering[leader] -> leader = t;
#ifndef BAD_TAKEOVER_WAITS
#ifndef BAD_TAKEOVER_FROM_FIRST
      v = at[1 - t] + 1;
      whole_round = true;
#endif
      goto begin
#endif
    }
#endif
  :: d_step { !stop && leader == t && SomeQueued -> TakeEvent() };
begin:
    do
    :: v == VCPUS -> break
    :: v < VCPUS ->
      Coarsely {
#ifndef BAD_ANY_STATE
        if
        :: page[v].state != READY -> goto next
        :: else
        fi;
#endif
#ifndef BAD_NO_INPROCESS
        page[v].state = INPROCESS;  /* Before anybody can take over. */
#endif
        d_step {
          request = page[v].request;
          answering[t] = true;
          at[t] = v;
          assert(!begun[v]);
          begun[v] = true
        }
      };
#ifdef BLOCKED
      if
      :: true
      :: v == 0 -> blocked = true;
end_blocked:
        false
      fi;
#endif
#ifdef BAD_UNANSWERED
      if
      :: request == 0
      :: request == 1 -> atomic { answering[t] = false; goto next }
      fi;
#endif
      Coarsely {
#ifdef BAD_COMPLETE_BEFORE_ANSWER
        Respond(v);
        d_step { page[v].answer = request; request = 0 };
#else
        d_step { page[v].answer = request; request = 0 };
#ifdef BAD_EVENT_BEFORE_STATE
        wake[v] = true;
#endif
#ifdef BAD_WHOLE_SLOT_WRITTEN
        page[v].state = READY;  /* The copy's, before its own is stored. */
#endif
#ifdef BAD_PORT_WRITTEN
        page[v].port = false;
#endif
        Respond(v);
#endif
#ifndef BAD_EVENT_BEFORE_STATE
#ifndef BAD_NO_EVENT_BACK
        wake[v] = true
#endif
#endif
      };
      /* Goes on only if nobody took over: looked at once, with the end of
       * being in a handler. */
      atomic {
        answering[t] = false;
        at[t] = 0;
        if
        :: leader != t -> whole_round = false; break
        :: leader == t
        fi
      };
next:
      v++
    od;
    v = 0;
    if
    :: whole_round -> whole_round = false; goto begin
    :: !whole_round
    fi
  od
}

#ifdef OPERATOR
proctype Operator() {
  byte v;
  stop = true;
#ifndef BAD_DESTROY_EARLY
  AllEnded;
#endif
  serving = false;
  destroyed = true
}
#endif

init {
  atomic {
    page[0].port = true;
    run Vcpu(0);
    run Thread(0);
#if VCPUS > 1
    page[1].port = true;
    run Vcpu(1);
#endif
#if THREADS > 1
    run Thread(1);
#endif
#ifdef OPERATOR
    run Operator()
#endif
  }
}

/* Given that every process that can go on some time does. */
#if VCPUS == 1
ltl answered { [] (waiting[0] -> <> !waiting[0]) }
#else
ltl answered {
  [] (waiting[0] -> <> (!waiting[0] || blocked)) &&
  [] (waiting[1] -> <> !waiting[1])
}
#endif

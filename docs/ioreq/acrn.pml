/* Copyright 2026 The ivshmem Authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * ACRN's I/O request page, with all that touch it: vCPUs in the hypervisor, the
 * kernel module, this library's engine, and the operator who stops it.
 *
 * What is claimed, for every order in which they can run:
 *   - a request is begun once, completed once, and gets its own answer (assert);
 *   - nobody waits for ever: nothing ends but where it may (labels end...), and
 *     a vCPU that waits is answered whatever the others do (ltl answered).
 *
 * Without any macro: two vCPUs, an engine of two threads. More parts join by
 *   KERNEL_CLIENT  the kernel answers some requests itself (ioeventfd);
 *   OPERATOR       the VM is paused, the engine stopped, what is left cleared,
 *                  the client destroyed and made anew, an engine started, and
 *                  the VM goes on;
 *   BLOCKED        a handler of vCPU 0's requests may not return.
 * A macro that begins with BAD_ takes away one of the rules that make it work;
 * models_test.sh shows that spin finds each. ONE_VCPU: one, whose requests are
 * of all kinds.
 *
 * Memory is as acquire and release make it: a store is seen after what was
 * stored before it. BAD_ orders show what a missing barrier would do. Variables
 * that are not needed any more become 0, for fewer states.
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

mtype = { FREE, PENDING, PROCESSING, COMPLETE };

typedef Slot {
  mtype state = FREE;
  bit request;  /* Stands for address, size, direction ... */
  bit answer;   /* Right when it equals the request. */
  bool polling;
  bool kernel_handled;
}

Slot page[VCPUS];

/* The hypervisor's. */
bool resumed[VCPUS];  /* "Finished", by hypercall. */
bool upcall;
bool paused;        /* The VM. */
byte inserting;     /* vCPUs that are putting a request into the page. */

/* The kernel module's. */
bool client = true;
bool in_map[VCPUS];  /* Requests that the engine's client has not finished. */
chan lock = [4] of { byte };  /* Of clients and maps: who has it, who is next. */
bool clearing;
bool dispatching;
#ifdef KERNEL_CLIENT
bool for_kernel[VCPUS];  /* What the request is: the vCPU's choice. */
bool in_kernel[VCPUS];
#endif

/* The engine's. */
bool taken[VCPUS];  /* Begun and not completed. */
byte leader = 0;    /* The thread that waits and looks. */
bool answering[THREADS];
byte at[THREADS];   /* The slot that a thread answers. */
bool stop;
bool ended[THREADS];

/* What only the claims look at. */
bool waiting[VCPUS];
bool begun[VCPUS];
bool cleared[VCPUS];
bool blocked;

inline Lock() {
  lock ! _pid;
  lock ? [eval(_pid)]
}

inline Unlock() { lock ? _ }

/* What one process does at once when only the turns of slots count. */
#ifdef BLOCKED
#define Coarsely atomic
#else
#define Coarsely
#endif

#if VCPUS == 1
#define SomeInMap in_map[0]
#else
#define SomeInMap (in_map[0] || in_map[1])
#endif
#if THREADS == 1
#define AllEnded ended[0]
#else
#define AllEnded (ended[0] && ended[1])
#endif

/* The kernel module makes a request complete, and tells a vCPU that sleeps. */
inline Finish(v) {
#ifdef BAD_POLLING_READ_LATE
  Complete(v);
  was_polling = page[v].polling;
#else
  was_polling = page[v].polling;
  Complete(v);
#endif
  atomic {
    if
    :: was_polling
    :: else -> resumed[v] = true
    fi;
    was_polling = false
  }
}

inline Complete(v) {
  atomic {
    assert(page[v].state == PROCESSING || page[v].state == PENDING);
    page[v].state = COMPLETE
  }
}

/* A vCPU alone asks anything in any way; two are one of each. */
inline Fill(v) {
#if VCPUS == 1
  if
  :: page[v].request = 0
  :: page[v].request = 1
  fi;
  if
  :: page[v].polling = true
  :: page[v].polling = false
  fi;
#else
  page[v].request = v;
  page[v].polling = v;
#endif
  page[v].answer = 1 - page[v].request
}

proctype Vcpu(byte v) {
  do
#ifndef BLOCKED
  :: true -> break  /* Asks no more: no event of its wakes anybody then. */
#endif
  :: atomic {
      !paused;
      assert(page[v].state == FREE);
      waiting[v] = true;
      inserting++;
#ifdef KERNEL_CLIENT
      if
      :: for_kernel[v] = true
      :: for_kernel[v] = false
      fi;
#endif
#ifdef BAD_PENDING_BEFORE_REQUEST
      page[v].state = PENDING;
#else
      Fill(v)
#endif
    };
#ifdef BAD_PENDING_BEFORE_REQUEST
    atomic { Fill(v) };
#endif
    Coarsely {
#ifndef BAD_PENDING_BEFORE_REQUEST
      page[v].state = PENDING;
#endif
      atomic {
#ifndef BAD_NO_UPCALL
        upcall = true;
#endif
        inserting--
      }
    };
    if
    :: atomic { page[v].polling && page[v].state == COMPLETE }
    :: atomic { !page[v].polling && resumed[v] -> resumed[v] = false }
    fi;
    d_step {
      assert(page[v].state == COMPLETE);
      assert(page[v].answer == page[v].request || cleared[v]);
      page[v].state = FREE;
      waiting[v] = false;
      begun[v] = false;
      cleared[v] = false
    }
  od
}

/* The kernel module's work after an upcall. */
proctype Dispatch() {
  byte v;
  bool was_polling;
end:
  do
  :: d_step { upcall -> upcall = false; dispatching = true };
    do
    :: v < VCPUS && page[v].state == PENDING && clearing ->
      cleared[v] = true;
      Finish(v);
      v++
    :: v < VCPUS && page[v].state == PENDING && !clearing ->
      Lock();
      atomic {
        if
        :: !client -> Unlock(); break
        :: client
        fi
      };
#ifdef KERNEL_CLIENT
#ifndef BAD_KERNEL_HANDLED_LATE
      page[v].kernel_handled = for_kernel[v];
#endif
#endif
      page[v].state = PROCESSING;
#ifdef BAD_KERNEL_HANDLED_LATE
      page[v].kernel_handled = for_kernel[v];
#endif
#ifdef BAD_MAP_UNLOCKED
      Unlock();
#endif
      atomic {
#ifdef KERNEL_CLIENT
        if
        :: for_kernel[v] -> in_kernel[v] = true
        :: else -> in_map[v] = true
        fi;
#else
        in_map[v] = true;
#endif
#ifndef BAD_MAP_UNLOCKED
        Unlock();
#endif
        v++
      }
    :: v < VCPUS && page[v].state != PENDING -> v++
    :: v == VCPUS -> break
    od;
    atomic { v = 0; dispatching = false }
  od
}

#ifdef KERNEL_CLIENT
proctype KernelClient(byte v) {
  bool was_polling;
end:
  do
  :: atomic {
      in_kernel[v];
      assert(!begun[v]);
      begun[v] = true;
      page[v].answer = page[v].request;
      in_kernel[v] = false
    };
    Finish(v)
  od
}
#endif

/* A thread of the engine. */
proctype Thread(byte t) {
  byte v;
  bit request;
  bool was_polling;
  bool whole_round;
#ifdef BAD_NO_FIRST_LOOK
  skip;
#else
  goto look;
#endif
end:
  do
  :: stop ->
    ended[t] = true;
end_ended:
    atomic { !stop -> ended[t] = false };
#ifndef BAD_NO_FIRST_LOOK
look:
    if
    :: leader == t -> goto begin
    :: else
    fi
#endif
#if THREADS > 1
  /* The leader is in a handler for too long. It may not have looked at all
   * slots: those after its own come first now, then the others. */
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
  /* Returns at once while a request that was begun is not finished. */
  :: !stop && leader == t && SomeInMap ->
begin:
    do
    :: v == VCPUS -> break
    :: v < VCPUS ->
      Coarsely {
#ifdef BAD_STATE_BEFORE_TAKEN
        if
        :: page[v].state != PROCESSING -> goto next
        :: else
        fi;
#endif
#ifndef BAD_NO_TAKEN
        if
        :: taken[v] -> goto next
        :: else
        fi;
#endif
#ifndef BAD_STATE_BEFORE_TAKEN
        if
        :: page[v].state != PROCESSING -> goto next
        :: else
        fi;
#endif
#ifdef KERNEL_CLIENT
#ifndef BAD_KERNEL_HANDLED_TAKEN
        if
        :: page[v].kernel_handled -> goto next
        :: else
        fi;
#endif
#endif
        d_step {
          request = page[v].request;
          taken[v] = true;
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
#ifndef BAD_COMPLETE_BEFORE_ANSWER
      d_step { page[v].answer = request; request = 0 };
#endif
#ifdef BAD_TAKEN_CLEARED_FIRST
      taken[v] = false;
#endif
      /* "Finished", by ioctl, which does nothing without a client. */
      Lock();
      if
      :: client ->
        in_map[v] = false;
        Finish(v)
      :: !client
      fi;
      Unlock();
#ifdef BAD_COMPLETE_BEFORE_ANSWER
      d_step { page[v].answer = request; request = 0 };
#endif
      taken[v] = false;
      /* Goes on only if nobody took over: looked at once, with the end of
       * being in a handler. */
#ifdef BAD_STILL_LEADER_FIRST
      if
      :: leader != t -> answering[t] = false; whole_round = false; break
      :: leader == t
      fi;
      answering[t] = false;
#else
      atomic {
        answering[t] = false;
        at[t] = 0;
        if
        :: leader != t -> whole_round = false; break
        :: leader == t
        fi
      };
#endif
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
  bool was_polling;
#ifndef BAD_NOT_PAUSED
  paused = true;
  inserting == 0;
#endif
  stop = true;
#ifndef BAD_DESTROY_EARLY
#ifndef BAD_CLEAR_EARLY
  AllEnded;
#endif
  clearing = true;
  Lock();
  do
  :: v == VCPUS -> break
  :: v < VCPUS ->
    if
    :: in_map[v] ->
      in_map[v] = false;
      cleared[v] = true;
      Finish(v)
    :: !in_map[v]
    fi;
    v++
  od;
  v = 0;
  Unlock();
  clearing = false;
#endif
  /* It works off the upcalls that came, ... */
  atomic { !upcall && !dispatching };
  Lock();
  atomic {
    client = false;
    in_map[0] = false;
#if VCPUS > 1
    in_map[1] = false;
#endif
    Unlock()
  };
  /* ... and looks once more, in vain: no client. Nothing makes it look when one
   * comes, except the next request. */
  upcall = true;
  AllEnded;
  atomic { client = true; stop = false; paused = false }
}
#endif

init {
  atomic {
    run Vcpu(0);
    run Dispatch();
    run Thread(0);
#if VCPUS > 1
    run Vcpu(1);
#endif
#if THREADS > 1
    run Thread(1);
#endif
#ifdef KERNEL_CLIENT
    run KernelClient(0);
#if VCPUS > 1
    run KernelClient(1);
#endif
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

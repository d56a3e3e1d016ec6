/* Who sleeps is woken: Note [Who looks] in mutirao/exec/process_executor.cpp.

   program: lead() and arm() in internal/pool.cpp, Channel::wake_worker() in internal/channel.cpp
   worker:  wait_for() and publish() in internal/worker_main.cpp, Bell::ring() in internal/channel.cpp

   futex_wait(word, seen) sleeps until the word is not what was seen: whoever wakes moves it first.
   Nobody sleeps for ever, whatever the order of steps: both processes come to their end.

   Broken on purpose: NO_LAST_LOOK, the program sleeps without looking once more after it armed the
   bell; LATE_EPOCH, it reads the epoch after that look; NO_WORKER_LOOK, the worker sleeps without
   looking after it said so. */

#define TASKS 3

byte queued;    /* tasks placed */
byte done;      /* tasks done */
byte notify_at = 255;
bool armed;
byte epoch;
bool asleep;
byte doorbell;

active proctype program() {
  byte seen;
  byte taken;
  bool was;
  do
  :: taken == TASKS -> break
  :: else ->
    /* drain_and_feed(): room for two at a time */
    taken = done;
    do
    :: queued < TASKS && queued - taken < 2 ->
      queued++;
      /* wake_worker() */
      if
      :: !asleep
      :: else ->
        atomic { was = asleep; asleep = false }
        if
        :: was -> doorbell++
        :: else
        fi
      fi
    :: else -> break
    od;
    if
    :: taken == TASKS -> break
    :: else
    fi;
#ifndef LATE_EPOCH
    seen = epoch;
#endif
    notify_at = taken + 1;
    armed = true;
#ifndef NO_LAST_LOOK
    if
    :: done != taken -> goto again
    :: else
    fi;
#endif
#ifdef LATE_EPOCH
    seen = epoch;
#endif
    epoch != seen;  /* futex_wait */
again:
    armed = false
  od
}

active proctype worker() {
  byte seen;
  byte number;
  bool who;
  do
  :: number == TASKS -> break
  :: else ->
    do
    :: queued > number -> break
    :: else ->
      seen = doorbell;
      asleep = true;
#ifndef NO_WORKER_LOOK
      if
      :: queued > number -> break
      :: else
      fi;
#endif
      doorbell != seen  /* futex_wait */
    od;
    asleep = false;
    number++;
    done = number;  /* publish() */
    if
    :: number >= notify_at ->
      /* ring() */
      if
      :: armed ->
        atomic { who = armed; armed = false }
        if
        :: who -> epoch++
        :: else
        fi
      :: else
      fi
    :: else
    fi
  od
}

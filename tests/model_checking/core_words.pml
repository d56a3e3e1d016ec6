/* The core budget: Note [One owner word per core] in mutirao/exec/internal/core_words.hpp.

   participants: try_take(), take(), give_back(), add_wait() in internal/core_words.{hpp,cpp}
   sweeper:      sweep(), called by the parent of a process that died

   One participant may die at any step. A core has one owner at a time, whoever waits gets one, and
   in the end all cores are free.

   Broken on purpose: PLAIN_TAKE, a look and a store instead of one compare-and-swap; LATE_EPOCH,
   the epoch is read after the look that found no core; QUIET_SWEEP, a sweep wakes nobody. */

#define CORES 1
#define PARTICIPANTS 3
#define ROUNDS 1
#define NOBODY 0

byte owner[CORES];  /* participant + 1, or nobody */
byte holder[CORES]; /* who is between having taken and giving back, as the model sees it */
byte waits[PARTICIPANTS];
byte epoch;
bool dead;          /* participant 0 is */

inline wake_all() { epoch++ }

inline anybody_waits() {
  waiting = false;
  place = 0;
  do
  :: place == PARTICIPANTS -> break
  :: else ->
    if
    :: waits[place] != 0 -> waiting = true
    :: else
    fi;
    place++
  od
}

inline try_take(core) {
  got = false;
#ifdef PLAIN_TAKE
  if
  :: owner[core] == NOBODY ->
    owner[core] = self + 1;
    got = true
  :: else
  fi
#else
  atomic {
    if
    :: owner[core] == NOBODY ->
      owner[core] = self + 1;
      got = true
    :: else
    fi
  }
#endif
}

inline live() {
  do
  :: round == ROUNDS -> break
  :: else ->
    try_take(0);
    if
    :: got
    :: else ->
      waits[self]++;
      do
      :: got -> break
      :: else ->
#ifndef LATE_EPOCH
        seen = epoch;
#endif
        try_take(0);
        if
        :: got -> break
        :: else
        fi;
#ifdef LATE_EPOCH
        seen = epoch;
#endif
        epoch != seen  /* futex_wait */
      od;
      waits[self]--;
      anybody_waits();
      if
      :: waiting -> wake_all()
      :: else
      fi
    fi;
    atomic {
      assert(holder[0] == NOBODY);
      holder[0] = self + 1
    }
    /* give_back() */
    atomic {
      holder[0] = NOBODY;
      owner[0] = NOBODY
    }
    anybody_waits();
    if
    :: waiting -> wake_all()
    :: else
    fi;
    round++
  od
}

proctype participant(byte self) {
  byte round;
  byte place;
  byte seen;
  bool got;
  bool waiting;
  live()
}

proctype mortal(byte self) {
  byte round;
  byte place;
  byte seen;
  bool got;
  bool waiting;
  { live() } unless { dead }
}

proctype sweeper() {
  if
  :: dead = true ->
    waits[0] = 0;
    atomic {
      if
      :: owner[0] == 1 ->
        owner[0] = NOBODY;
        holder[0] = NOBODY
      :: else
      fi
    }
#ifndef QUIET_SWEEP
    wake_all()
#endif
  :: skip
  fi
}

init {
  atomic {
    run mortal(0);
    run participant(1);
    run participant(2);
    run sweeper()
  }
  _nr_pr == 1;
  assert(owner[0] == NOBODY);
  assert(waits[1] == 0 && waits[2] == 0)
}

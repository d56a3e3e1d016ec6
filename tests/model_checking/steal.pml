/* Tasks that wait behind others are taken back and given to a worker that has nothing to do.

   program: steal_for() and cancel_queued() in mutirao/exec/internal/pool.cpp, which take tasks with
            recall_last() and recall() of internal/worker_process.cpp
   workers: serve() in internal/worker_main.cpp

   Every task runs exactly once or is cancelled, never both.

   Broken on purpose: PLAIN_RECALL, a look and a store instead of one compare-and-swap. */

#define TASKS 3
#define WORKERS 2

#define FREE 0
#define QUEUED 1
#define RECALLED 2
#define STARTED 3
#define DONE 4

/* Of each worker's ring: the state of its slots, and which task lies in each. */
typedef Ring {
  byte state[TASKS];
  byte task[TASKS];
  byte tail;
  bool stop
}
Ring ring[WORKERS];
byte runs[TASKS];
bool cancelled[TASKS];

proctype worker(byte self) {
  byte number;
  bool begun;
  do
  :: number == TASKS -> break
  :: number < TASKS ->
    if
    :: ring[self].state[number] == RECALLED -> ring[self].state[number] = DONE; number++
    :: ring[self].state[number] == QUEUED ->
      atomic {
        begun = (ring[self].state[number] == QUEUED);
        if
        :: begun -> ring[self].state[number] = STARTED
        :: else
        fi
      }
      if
      :: begun ->
        runs[ring[self].task[number]]++;
        assert(runs[ring[self].task[number]] == 1)
      :: else
      fi;
      ring[self].state[number] = DONE;
      number++
    :: ring[self].stop && ring[self].state[number] == FREE -> break
    fi
  od
}

/* Whether the last task of ring 0 that was not taken back before could be taken back. */
inline recall_last() {
  taken = false;
  if
  :: last == 0
  :: else ->
#ifdef PLAIN_RECALL
    if
    :: ring[0].state[last - 1] == QUEUED ->
      ring[0].state[last - 1] = RECALLED;
      taken = true
    :: else
    fi
#else
    atomic {
      taken = (ring[0].state[last - 1] == QUEUED);
      if
      :: taken -> ring[0].state[last - 1] = RECALLED
      :: else
      fi
    }
#endif
    if
    :: taken -> last--
    :: else
    fi
  fi
}

init {
  byte last;
  byte each;
  byte got;
  bool taken;
  /* All lie in the first ring. */
  do
  :: last == TASKS -> break
  :: else ->
    ring[0].task[last] = last;
    ring[0].state[last] = QUEUED;
    last++
  od;
  ring[0].tail = TASKS;
  run worker(0);
  run worker(1);
  do
  :: recall_last();
    if
    :: taken ->
      ring[1].task[ring[1].tail] = last;
      ring[1].state[ring[1].tail] = QUEUED;
      ring[1].tail++
    :: else
    fi
  :: recall_last();
    if
    :: taken -> cancelled[last] = true
    :: else
    fi
  :: break
  od;
  ring[0].stop = true;
  ring[1].stop = true;
  _nr_pr == 1;
  for (each : 0 .. TASKS - 1) {
    got = runs[each];
    if
    :: cancelled[each] -> assert(got == 0)
    :: else -> assert(got == 1)
    fi
  }
}

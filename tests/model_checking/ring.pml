/* One ring between the program and one worker: Note [The ring and its state words] in
   mutirao/exec/internal/channel.hpp.

   program: place() and recall() and drain() and settle() in internal/worker_process.cpp
   worker:  serve() and publish() in internal/worker_main.cpp

   The worker may die before any of its steps. Then: no task has both run and been taken back, a
   result is read only when it is there and belongs to its task, and of the tasks that are left
   exactly those that had not begun may run elsewhere.

   Broken on purpose: PLAIN_BEGIN, the worker begins a task with a look and a store instead of one
   compare-and-swap; REUSE_EARLY, the program takes one slot too many. */

#define SLOTS 2
#define TASKS 4

#define QUEUED 1
#define RECALLED 2
#define DECODING 3
#define RUNNING 4
#define ENCODING 5
#define DONE 6
#define WORD(number, state) ((number) * 8 + (state))

#ifdef REUSE_EARLY
#define CAPACITY (SLOTS + 1)
#else
#define CAPACITY SLOTS
#endif

byte slot[SLOTS];   /* the state words */
byte bytes[SLOTS];  /* the request, then the reply: whose task's */
bool ran[TASKS];
bool taken_back[TASKS];
bool finished[TASKS];
bool dead;

active proctype worker() {
  byte number;
  bool begun;
  {
    do
    :: number == TASKS -> break
    :: else ->
      if
      :: slot[number % SLOTS] == WORD(number, RECALLED)
      :: slot[number % SLOTS] == WORD(number, QUEUED) ->
#ifdef PLAIN_BEGIN
        slot[number % SLOTS] = WORD(number, DECODING);
        begun = true;
#else
        atomic {
          begun = (slot[number % SLOTS] == WORD(number, QUEUED));
          if
          :: begun -> slot[number % SLOTS] = WORD(number, DECODING)
          :: else
          fi
        }
#endif
        if
        :: begun ->
          assert(bytes[number % SLOTS] == number);
          slot[number % SLOTS] = WORD(number, RUNNING);
          ran[number] = true;
          assert(!taken_back[number]);
          slot[number % SLOTS] = WORD(number, ENCODING);
          bytes[number % SLOTS] = 100 + number
        :: else
        fi
      fi;
      slot[number % SLOTS] = WORD(number, DONE);
      begun = false;
      number++
    od
  } unless { dead }
}

active proctype killer() {
  if
  :: dead = true
  :: skip
  fi
}

active proctype program() {
  byte head;
  byte tail;
  byte each;
  byte started;
  do
  :: head == TASKS -> break
  :: tail < TASKS && tail - head < CAPACITY ->
    bytes[tail % SLOTS] = tail;
    slot[tail % SLOTS] = WORD(tail, QUEUED);
    tail++
  :: tail > head ->
    /* the last, as recall_last() does: one compare-and-swap */
    atomic {
      if
      :: slot[(tail - 1) % SLOTS] == WORD(tail - 1, QUEUED) ->
        slot[(tail - 1) % SLOTS] = WORD(tail - 1, RECALLED);
        taken_back[tail - 1] = true;
        assert(!ran[tail - 1])
      :: else
      fi
    }
  :: head < tail && slot[head % SLOTS] == WORD(head, DONE) ->
    if
    :: taken_back[head]
    :: else ->
      assert(ran[head] && bytes[head % SLOTS] == 100 + head);
      finished[head] = true
    fi;
    head++
  :: dead -> break
  od;
  /* settle(): the channel is drained, then looked at for the last time */
  if
  :: head == TASKS
  :: else ->
    do
    :: head < tail && slot[head % SLOTS] == WORD(head, DONE) ->
      assert(taken_back[head] || ran[head]);
      head++
    :: else -> break
    od;
    each = head;
    do
    :: each == tail -> break
    :: else ->
      if
      :: taken_back[each] -> assert(!ran[each])
      :: !taken_back[each] && (slot[each % SLOTS] == WORD(each, DECODING) ||
                               slot[each % SLOTS] == WORD(each, RUNNING) ||
                               slot[each % SLOTS] == WORD(each, ENCODING)) ->
        started++
      :: else -> assert(taken_back[each] || !ran[each])
      fi;
      each++
    od;
    assert(started <= 1)
  fi
}

#!/usr/bin/env bash
# usage: run.sh SECONDS MPIRUN ARGUMENTS...
# mpirun 4.1 at times crashes or hangs in its own clean-up after a rank has failed (PMIx_server_finalize), with ranks that have
# ended and that it does not collect. So what counts is what the ranks print, and that none of them is left alive.
seconds=$1
shift
"$@" &
mpirun=$!
alive() { pgrep -r D,R,S,T -P "$mpirun" comm_rank >/dev/null; }
begun= ended=0
for ((tenth = 0; tenth < 10 * seconds && ended < 50; ++tenth)); do
  kill -0 "$mpirun" 2>/dev/null || break
  if alive; then begun=yes ended=0; elif [ -n "$begun" ]; then ((++ended)); fi
  sleep 0.1
done
if alive; then echo "error: ranks are left after $seconds s"; fi
pkill -KILL -P "$mpirun"
kill -KILL "$mpirun" 2>/dev/null
wait 2>/dev/null
exit 0

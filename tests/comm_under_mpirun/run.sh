#!/usr/bin/env bash
# usage: run.sh SECONDS MPIRUN ARGUMENTS...
# mpirun 4.1 at times crashes or hangs in its own clean-up after a rank has failed (PMIx_server_finalize). So what counts is what
# the ranks print, and that none of them is left.
seconds=$1
shift
"$@" &
mpirun=$!
sleep "$seconds" &
timer=$!
wait -n "$mpirun" "$timer"
if kill -0 "$timer" 2>/dev/null; then
  kill "$timer"
else
  if pgrep -P "$mpirun" comm_rank >/dev/null; then echo "error: ranks are left after $seconds s"; fi
  pkill -KILL -P "$mpirun"
  kill -KILL "$mpirun"
fi
wait 2>/dev/null
exit 0

#!/usr/bin/env bash
# Runs an example that several processes run together, on two ranks, and looks at what it prints.
# usage: check_distributed.sh training|starters|machines|digits PROGRAM MUTIRAO [MPIRUN]
set -euo pipefail
program=$2 mutirao=$3 mpirun=${4:-}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
fail() { echo "failed: $*" >&2; tail -n 30 "$work"/*.log >&2; exit 1; }
# launch NAME OPTIONS...: what the ranks print goes to $work/NAME.log, what the launcher says to $work/NAME.said.log
launch() { "$mutirao" launch --nproc 2 "${@:2}" >"$work/$1.log" 2>"$work/$1.said.log" || fail "$1 ended with $?"; }

# by_hand NAME VARIABLES...: two processes with these variables, in which %r stands for the rank.
by_hand() {
  local name=$1 rank ranks=()
  shift
  for rank in 0 1; do
    env "${@//%r/$rank}" "$program" >"$work/$name.$rank.log" 2>&1 & ranks+=($!)
  done
  for rank in 0 1; do wait "${ranks[rank]}" || fail "$name: rank $rank ended with $?"; done
  [ ! -s "$work/$name.1.log" ] || fail "$name: rank 1 says something"
  mv "$work/$name.0.log" "$work/$name.log"
}
# A port that nobody listens on.
free_port() {
  local port
  until port=$((20000 + RANDOM % 12000)) && ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  echo "$port"
}

case $1 in
  training)
    launch run "$program"
    log=$work/run.log
    [ "$(tail -n 1 "$log")" = "[0] Treinamento distribuído em GPUs concluído." ] || fail "the last line is another"
    ! grep -q '^\[1\]' "$log" || fail "rank 1 prints something"
    [ "$(grep -c '^\[0\] epoch ' "$log")" = 10 ] || fail "not ten epochs"
    awk '/ epoch / { if (seen++ && $5 >= last) exit 1; last = $5 }' "$log" || fail "the loss does not fall"
    [ "$(grep -c '^\[0\] rank [01]: parameters ' "$log")" = 2 ] || fail "not one checksum per rank"
    [ "$(sed -n 's/.*: parameters //p' "$log" | sort -u | wc -l)" = 1 ] || fail "ranks differ"
    ;;
  starters)
    export OMP_NUM_THREADS=1  # sums of matrix products depend on it
    # Two ranks give the same lines, whoever starts them and whatever is between them; the first says what that is.
    launch launch "$program"
    sed -i 's/^\[0\] //' "$work/launch.log"
    agent=(RANK=%r LOCAL_RANK=%r WORLD_SIZE=2 LOCAL_WORLD_SIZE=2 GROUP_RANK=0 ROLE_RANK=%r ROLE_WORLD_SIZE=2
           MASTER_ADDR=localhost MASTER_PORT="$(free_port)" TORCHELASTIC_RUN_ID="check $$" TORCHELASTIC_RESTART_COUNT=0
           TORCHELASTIC_MAX_RESTARTS=0)
    by_hand torchrun "${agent[@]}" TORCHELASTIC_USE_AGENT_STORE=True
    by_hand slurm SLURM_JOB_ID=$$ SLURM_STEP_ID=0 SLURM_PROCID=%r SLURM_LOCALID=%r SLURM_NTASKS=2 SLURM_STEP_NUM_TASKS=2 \
      SLURM_STEP_TASKS_PER_NODE=2
    by_hand rank_and_size RANK=%r WORLD_SIZE=2 MASTER_ADDR=localhost MASTER_PORT="$(free_port)"
    # Two machines: one launcher each, and words that forbid them to share memory.
    master=127.0.0.1:$(free_port)
    for node in 0 1; do
      MUTIRAO_COMM_BOX=$node "$mutirao" launch --nproc 1 --nnodes 2 --node-rank $node --master "$master" "$program" \
        >"$work/nodes.$node.log" 2>"$work/nodes.$node.said.log" & nodes[node]=$!
    done
    for node in 0 1; do wait "${nodes[node]}" || fail "the launcher of node $node ended with $?"; done
    sed 's/^\[0\] //' "$work/nodes.0.log" >"$work/nodes.log"
    if [ -n "$mpirun" ]; then
      "$mpirun" --allow-run-as-root --oversubscribe -np 2 "$program" >"$work/mpirun.log" 2>"$work/mpirun.said.log" ||
        fail "mpirun ended with $?"
    fi
    for name in launch torchrun slurm rank_and_size mpirun; do
      [ ! -e "$work/$name.log" ] || head -n 1 "$work/$name.log" | grep -q '^shm, 2 ranks on 1 box' || fail "$name: not shm"
    done
    head -n 1 "$work/nodes.log" | grep -q '^tcp, 2 ranks on 2 boxes' || fail "two nodes: not tcp"
    for log in "$work"/{torchrun,slurm,rank_and_size,nodes,mpirun}.log; do
      [ ! -e "$log" ] || cmp <(tail -n +2 "$work/launch.log") <(tail -n +2 "$log") || fail "$log says something else"
    done
    [ "$(wc -l <"$work/launch.log")" = 14 ] || fail "not all lines are there"
    echo "the same lines under launch, torchrun's, Slurm's and plain variables, two launchers${mpirun:+ and mpirun}"
    ;;
  machines)
    # Two network namespaces with an address each: what is in one cannot reach the sockets of the other but over IP.
    namespaces=("mutirao-$$-0" "mutirao-$$-1")
    remove() { for each in "${namespaces[@]}"; do ip netns delete "$each" 2>/dev/null || true; done; rm -rf "$work"; }
    trap remove EXIT
    for each in "${namespaces[@]}"; do
      ip netns add "$each" 2>/dev/null || { echo "skipped: network namespaces are not allowed here"; exit 77; }
      # A root that is not mounted (chroot) has them, but nothing can be run in one.
      ip netns exec "$each" true 2>/dev/null || { echo "skipped: nothing can be run in a network namespace here"; exit 77; }
    done
    ip link add mutirao0 netns "${namespaces[0]}" type veth peer name mutirao1 netns "${namespaces[1]}" ||
      { echo "skipped: there are no virtual links here"; exit 77; }
    for node in 0 1; do
      ip -netns "${namespaces[node]}" address add 10.77.0.$((node + 1))/24 dev mutirao$node
      ip -netns "${namespaces[node]}" link set mutirao$node up
      ip -netns "${namespaces[node]}" link set lo up
    done
    export OMP_NUM_THREADS=1
    for node in 0 1; do
      ip netns exec "${namespaces[node]}" "$mutirao" launch --nproc 2 --nnodes 2 --node-rank $node --master 10.77.0.1:29500 \
        "$program" >"$work/tcp.$node.log" 2>"$work/tcp.$node.said.log" & nodes[node]=$!
    done
    for node in 0 1; do wait "${nodes[node]}" || fail "the launcher of node $node ended with $?"; done
    sed 's/^\[0\] //' "$work/tcp.0.log" >"$work/tcp.log"
    if [ -n "$mpirun" ]; then
      # mpirun reaches the other machine by this program instead of ssh; machines are told apart by their names.
      printf '#!/bin/sh\nnode=$((${1##*.} - 1)); shift\nexec ip netns exec mutirao-%s-$node unshare --uts sh -c "hostname node$node; $*"\n' \
        $$ >"$work/reach"
      chmod +x "$work/reach"
      printf '10.77.0.1 slots=2\n10.77.0.2 slots=2\n' >"$work/hosts"
      "$work/reach" 10.77.0.1 "$mpirun" --allow-run-as-root --hostfile "$work/hosts" --mca plm_rsh_agent "$work/reach" --mca btl tcp,self \
        --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 --map-by node -np 4 -x OMP_NUM_THREADS \
        "$program" >"$work/mpi.log" 2>"$work/mpi.said.log" || fail "mpirun ended with $?"
    fi
    for name in tcp mpi; do
      [ -e "$work/$name.log" ] || continue
      head -n 1 "$work/$name.log" | grep -q "^$name, 4 ranks on 2 boxes" || fail "not $name"
      [ "$(sed -n 's/.*: parameters //p' "$work/$name.log" | sort | uniq -c | awk '{ print $1 }')" = 4 ] || fail "$name: ranks differ"
    done
    echo "four ranks on two machines have the same parameters over tcp${mpirun:+ and over mpi}"
    ;;
  digits)
    export OMP_NUM_THREADS=1  # sums of matrix products depend on it
    launch undisturbed "$program" "$work/undisturbed"
    accuracy=$(sed -n 's/^\[0\] held-out accuracy: \(.*\)%$/\1/p' "$work/undisturbed.log")
    awk -v a="$accuracy" 'BEGIN { exit !(a >= 96) }' || fail "accuracy $accuracy"

    # Rank 1 is killed when there is a checkpoint of epoch 2; the launcher starts both again.
    killed='
      if [ "$RANK$TORCHELASTIC_RESTART_COUNT" != 10 ]; then exec "$0" "$1"; fi
      "$0" "$1" &
      until [ -e "$1/checkpoint-2.mutirao" ] || ! kill -0 $!; do sleep 0.01; done
      kill -KILL $!
      wait $!'
    # goes_on NAME: what it printed from where it was resumed is what it prints undisturbed.
    goes_on() {
      sed -n '/resumed after epoch/,$p' "$work/$1.log" | tail -n +2 >"$work/rest.log"
      rest=$(wc -l <"$work/rest.log")
      [ "$rest" -ge 2 ] || fail "$1: it was not resumed"
      tail -n "$rest" "$work/undisturbed.log" | cmp - "$work/rest.log" || fail "$1: the losses are others"
    }
    launch resumed --max-restarts 1 bash -c "$killed" "$program" "$work/resumed"
    goes_on resumed
    echo "held-out accuracy $accuracy%; killed and resumed, $rest lines are the same"

    # The same on two nodes, whose launchers know nothing of each other: the rank that lives fails too, and both start again.
    master=127.0.0.1:$(free_port)
    for node in 0 1; do
      MUTIRAO_COMM_BOX=$node "$mutirao" launch --nproc 1 --nnodes 2 --node-rank $node --master "$master" --max-restarts 1 \
        bash -c "$killed" "$program" "$work/nodes" >"$work/nodes.$node.log" 2>"$work/nodes.$node.said.log" & nodes[node]=$!
    done
    for node in 0 1; do wait "${nodes[node]}" || fail "the launcher of node $node ended with $?"; done
    mv "$work/nodes.0.log" "$work/nodes.log"
    goes_on nodes
    for node in 0 1; do
      grep -q '^mutirao: restart 1 of 1' "$work/nodes.$node.said.log" || fail "the launcher of node $node says no restart"
    done
    grep -q '^mutirao: rank 1 .* code 137' "$work/nodes.1.said.log" || fail "nobody says that rank 1 was killed"
    echo "on two nodes: killed and resumed, $rest lines are the same"
    ;;
esac

#!/usr/bin/env bash
# Runs an example that several processes run together, on two ranks, and looks at what it prints.
# usage: check_distributed.sh training|digits PROGRAM MUTIRAO
set -euo pipefail
program=$2 mutirao=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "failed: $*" >&2; tail -n 30 "$work"/*.log >&2; exit 1; }
# launch NAME OPTIONS...: what the ranks print goes to $work/NAME.log, what the launcher says to $work/NAME.said.log
launch() { "$mutirao" launch --nproc 2 "${@:2}" >"$work/$1.log" 2>"$work/$1.said.log" || fail "$1 ended with $?"; }

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
  digits)
    launch undisturbed "$program" "$work/undisturbed"
    accuracy=$(sed -n 's/^\[0\] held-out accuracy: \(.*\)%$/\1/p' "$work/undisturbed.log")
    awk -v a="$accuracy" 'BEGIN { exit !(a >= 96) }' || fail "accuracy $accuracy"

    # Rank 1 is killed when there is a checkpoint of epoch 2; the launcher starts both again.
    killed='
      if [ "$RANK$TORCHELASTIC_RESTART_COUNT" != 10 ]; then exec "$0" "$1"; fi
      "$0" "$1" &
      until [ -e "$1/checkpoint-2.mutirao" ]; do sleep 0.01; done
      kill -KILL $!
      wait $!'
    launch resumed --max-restarts 1 bash -c "$killed" "$program" "$work/resumed"
    sed -n '/resumed after epoch/,$p' "$work/resumed.log" | tail -n +2 >"$work/rest.log"
    rest=$(wc -l <"$work/rest.log")
    [ "$rest" -ge 2 ] || fail "it was not resumed"
    tail -n "$rest" "$work/undisturbed.log" | cmp - "$work/rest.log" || fail "the losses are others"
    echo "held-out accuracy $accuracy%; killed and resumed, $rest lines are the same"
    ;;
esac

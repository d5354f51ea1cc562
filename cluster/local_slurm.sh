#!/usr/bin/env bash
# Starts and stops a SLURM of two nodes on this machine (Debian or Ubuntu, as root), to try and to test what runs on one:
# cluster/local_slurm.sh start | stop
set -euo pipefail

CONF=${LOCAL_SLURM_CONF:-/etc/slurm/slurm.conf} # the two variables are for the tests of this script
PIDS=${LOCAL_SLURM_PIDS:-/run}
HERE=$(cd "$(dirname "$0")" && pwd)
SECONDS_TO_START=30
SECONDS_TO_END=30 # of jobs that are cancelled: SLURM kills them after KillWait, 10 s

fail() {
  echo "local_slurm.sh: $*" >&2
  exit 1
}

runs() { # whether the process of a pid file is alive
  [ -s "$1" ] && kill -0 "$(cat "$1" 2>/dev/null)" 2>/dev/null
}

write_conf() {
  if [ -e "$CONF" ] && ! grep -q '^ClusterName=archlab-local' "$CONF"; then
    fail "$CONF is of another cluster, so it is left as it is: use that one, or move the file away first."
  fi
  local memory
  memory=$(awk '/^MemTotal/ {print int($2 / 2048)}' /proc/meminfo) # half of it for each node
  mkdir -p /etc/slurm /var/spool/slurmctld /var/spool/slurmd.n1 /var/spool/slurmd.n2 /var/log/slurm /run/munge
  sed -e "s/@HOST@/$(hostname -s)/" -e "s/@MEMORY@/$memory/" "$HERE/local_slurm.conf" >"$CONF"
}

start() {
  [ "$(id -u)" = 0 ] || fail "it must run as root."
  for program in sbatch slurmctld slurmd munged; do # command -v of several is content with one
    command -v "$program" >/dev/null ||
      fail "$program is not installed: apt-get update && apt-get install -y slurm-wlm munge"
  done
  write_conf
  chown munge: /run/munge
  runs "$PIDS/munge/munged.pid" || su -s /bin/sh munge -c /usr/sbin/munged || fail "munged does not start."
  runs "$PIDS/slurmctld.pid" || slurmctld || fail "slurmctld does not start: see /var/log/slurm/slurmctld.log."
  for node in n1 n2; do
    runs "$PIDS/slurmd.$node.pid" || slurmd -N "$node" ||
      fail "slurmd of $node does not start: see /var/log/slurm/slurmd.$node.log."
  done
  for _ in $(seq $((SECONDS_TO_START * 5))); do
    if [ "$(sinfo --noheader --Node --states=idle,alloc,mix --format=%N 2>/dev/null | sort -u | wc -l)" = 2 ]; then
      sinfo
      return
    fi
    sleep 0.2
  done
  fail "no two nodes after $SECONDS_TO_START s: see /var/log/slurm."
}

cancel_jobs() { # and wait until their processes have ended
  local jobs
  for _ in $(seq "$SECONDS_TO_END"); do
    jobs=$(squeue --noheader --format=%F | sort -u) || return 0
    [ -n "$jobs" ] || return 0
    xargs scancel <<<"$jobs" || true # it may end just now
    sleep 1
  done
}

kill_steps() { # that outlived the daemons; each task of a step is the leader of a process group
  local step task
  for step in $(pgrep -x slurmstepd); do
    for task in $(pgrep -P "$step"); do
      kill -KILL -- "-$task" 2>/dev/null || true
    done
    kill -KILL "$step" 2>/dev/null || true
  done
}

stop() {
  [ "$(id -u)" = 0 ] || fail "it must run as root."
  grep -qs '^ClusterName=archlab-local' "$CONF" || return 0 # never started here
  if runs "$PIDS/slurmctld.pid"; then
    cancel_jobs
  fi
  for pid in "$PIDS"/{slurmd.n1,slurmd.n2,slurmctld,munge/munged}.pid; do
    for try in $(seq 50); do
      runs "$pid" || break
      kill $([ "$try" -le 45 ] || echo -KILL) "$(cat "$pid" 2>/dev/null)" 2>/dev/null || true # it may end just now
      sleep 0.2
    done
  done
  kill_steps
}

case "${1:-}" in
start | stop) "$1" ;;
*) fail "say start or stop." ;;
esac

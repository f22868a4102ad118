# Shared by the scripts of this folder; sourced, never run. Sets `root` (the checkout) and works there.

set -euo pipefail
if [[ ${1:-} == --help || ${1:-} == -h ]]; then  # The head of a script is its help.
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
  exit
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# say WORDS…: what happens now, for people, on stderr.
say() { printf '\033[1m%s\033[0m\n' "== $*" >&2; }
if [[ ! -t 2 || -n ${NO_COLOR:-} ]]; then
  say() { printf '%s\n' "== $*" >&2; }
fi

# fail WORDS…: says why and ends the script.
fail() {
  printf '%s\n' "error: $*" >&2
  exit 1
}

# A step of a script runs in a session of its own. So Ctrl-C or SIGTERM on the script reaches the step as one SIGTERM to
# the whole group, however deep it is, and the script waits until it has cleaned up before it goes itself.
step_pid=
interrupted=

_interrupt() {
  interrupted=$1
  if [[ -n $step_pid ]]; then kill -TERM -- "-$step_pid" 2>/dev/null || kill -TERM "$step_pid" 2>/dev/null || true; fi
}
trap '_interrupt 130' INT
trap '_interrupt 143' TERM
trap '_interrupt 129' HUP

# run COMMAND…: runs one step and returns its exit status; ends the script when it was interrupted meanwhile.
run() {
  local status=0
  if [[ -n $interrupted ]]; then exit "$interrupted"; fi
  setsid "$@" &
  step_pid=$!
  wait "$step_pid" || status=$?
  if [[ -n $interrupted ]]; then  # `wait` returned for the signal: the step is still cleaning up.
    wait "$step_pid" || true
    exit "$interrupted"
  fi
  step_pid=
  return "$status"
}

# run_logged LOG COMMAND…: like run; what the command prints goes to the file LOG too. The wrapper and tee stay until the
# command has ended, also on SIGTERM: what it says while it cleans up is neither lost nor a broken pipe.
run_logged() {
  run bash -c 'trap : TERM; set -o pipefail; "${@:2}" 2>&1 | (trap "" TERM; exec tee "$1")' run_logged "$@"
}

# pause SECONDS: waits, and ends the script at once when it is interrupted.
pause() { run sleep "$1"; }

# A private Fleetcast for tests and benchmarks; to be sourced by bash scripts.
#
#   stack_start [FLAG…]   starts `fleetcast dev FLAG…` with data of its own, waits until it is ready, exports FLEETCAST_*
#   stack_stop            stops it and removes its data; registered for EXIT by stack_start
#
# With FLEETCAST_ENV_FILE set, a Fleetcast that runs already (scripts/dev) is used and left alone.

framework_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$framework_dir/../.." && pwd)
export FLEETCAST_BIN_DIR=${FLEETCAST_BIN_DIR:-$root/build/release/bin}
stack_pid=
stack_work=

stack_stop() {
  if [ -n "$stack_pid" ] && kill -0 "$stack_pid" 2>/dev/null; then
    kill -TERM "$stack_pid"
    wait "$stack_pid" || true
  fi
  [ -z "$stack_work" ] || rm -rf "$stack_work"
  stack_pid=
  stack_work=
}

stack_logs() { # What the services said last; for failed tests.
  [ -n "$stack_work" ] || return 0
  tail -n 15 "$stack_work"/data/logs/*.log "$stack_work/dev.log" >&2 2>/dev/null || true
}

stack_start() {
  trap stack_stop EXIT
  trap 'exit 130' INT TERM
  if [ -z "${FLEETCAST_ENV_FILE:-}" ]; then
    stack_work=$(mktemp -d "${TMPDIR:-/var/tmp}/fleetcast-test.XXXXXX")
    chmod 755 "$stack_work"
    export FLEETCAST_ENV_FILE=$stack_work/dev.env
    "$FLEETCAST_BIN_DIR/fleetcast" dev --host auto --data-dir "$stack_work/data" --env-file "$FLEETCAST_ENV_FILE" --fresh "$@" \
      >"$stack_work/dev.log" 2>&1 &
    stack_pid=$!
    for _ in $(seq 1200); do
      [ -s "$FLEETCAST_ENV_FILE" ] && break
      kill -0 "$stack_pid" 2>/dev/null || break
      sleep 0.1
    done
    if [ ! -s "$FLEETCAST_ENV_FILE" ]; then
      echo "fleetcast dev did not start:" >&2
      tail -n 40 "$stack_work/dev.log" >&2
      exit 1
    fi
  fi
  set -a
  # shellcheck disable=SC1090
  . "$FLEETCAST_ENV_FILE"
  set +a
  export NODE_EXTRA_CA_CERTS=$FLEETCAST_CA_FILE
}

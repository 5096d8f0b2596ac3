# shellcheck shell=bash
# Shell functions shared by ./dev and .ci/run: messages, package installation, builds with progress.

# Two clones share what ccache knows, as long as they are laid out alike.
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Compiling gRPC code takes about 1.5 GiB a job.
build_jobs() {
  local cores memory_jobs
  cores=$(nproc)
  memory_jobs=$(awk '/MemAvailable/ {print int($2 / 1572864) + 1}' /proc/meminfo)
  echo $((cores < memory_jobs ? cores : memory_jobs))
}

# missing_packages FILE...: the packages named there that are not installed, one a line.
missing_packages() {
  local package
  cat "$@" | sed 's/#.*//' | tr -s ' \t' '\n' | sort -u | while read -r package; do
    [ -n "$package" ] || continue
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

# install_packages FILE...: installs what is missing, with Debian's package manager.
install_packages() {
  command -v dpkg-query >/dev/null || fail "xpool builds on Debian 12 (or what derives from it); here there is no dpkg. See $1 for what it needs."
  local missing sudo=()
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "these packages are missing: ${missing[*]}. Install them as root: apt-get install ${missing[*]}"
    sudo=(sudo)
  fi
  say "installing ${#missing[@]} Debian packages"
  mkdir -p out
  {
    "${sudo[@]}" apt-get update
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
  } >out/setup.log 2>&1 &
  wait_with_progress $! out/setup.log || fail "the installation failed; the end of out/setup.log says why:
$(tail -n 5 out/setup.log)"
}

# wait_with_progress PID LOG: waits for a background job of this shell, showing the log's last line while it runs.
wait_with_progress() {
  local pid="$1" log="$2"
  if [ -t 1 ]; then
    while kill -0 "$pid" 2>/dev/null; do
      printf '\r\033[K    %s' "$(tail -n 1 "$log" 2>/dev/null | cut -c1-100)"
      sleep 0.5
    done
    printf '\r\033[K'
  fi
  wait "$pid"
}

# run_logged LOG COMMAND...: output goes to the log and is shown only when the command fails.
run_logged() {
  local log="$1"
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    fail "\"$*\" failed; all of its output is in $log"
  }
}

# run_with_progress LOG COMMAND...: as run_logged, with the log's last line shown on a terminal.
run_with_progress() {
  local log="$1"
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 &
  wait_with_progress $! "$log" || {
    grep -m 5 -A 12 -E 'error|FAILED' "$log" >&2 || tail -n 40 "$log" >&2
    fail "\"$*\" failed; all of its output is in $log"
  }
}

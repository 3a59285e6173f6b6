# shellcheck shell=bash
# Sourced by the scripts beside it: where things are, and steps that are named, timed and bounded.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
WITNESSES=$ROOT/target/witnesses
export ROOT WITNESSES
cd "$ROOT"

fail() {
    printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# step MINUTES NAME COMMAND... runs the command, says how long it took, and ends it when the minutes are over.
step() {
    local minutes=$1 name=$2 started=$SECONDS code=0
    shift 2
    printf '\n==> %s\n' "$name"
    timeout --kill-after=10s "${minutes}m" "$@" </dev/null || code=$?
    if ((code == 124)); then
        fail "$name: not done after $minutes minutes"
    elif ((code != 0)); then
        fail "$name: failed with exit code $code after $((SECONDS - started)) s"
    fi
    printf '    %s: %d s\n' "$name" $((SECONDS - started))
}

# need_packages PACKAGE... installs Debian packages when we may, else names them and stops.
need_packages() {
    (($# == 0)) && return
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        fail "missing on this machine; as root: apt-get install --no-install-recommends $*"
    fi
    step 5 "package lists" apt-get update -qq
    step 10 "packages: $*" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# lacks COMMAND is true where a command cannot be found.
lacks() { ! command -v "$1" >/dev/null; }

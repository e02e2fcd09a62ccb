#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh FAMILY FOLDER: brings up the engines of one family, runs the suite on each, and leaves what came of every case
# in FOLDER/FAMILY.tsv: engine, case, ok|failed|skipped, reason. What does not come up for reasons of the machine is
# skipped with its reason; a failed case is a failure.
#
# All of it lives in namespaces of its own for network, mounts and processes: the engines cannot disturb the machine's,
# and end with this script in whichever way it ends.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
cache=$(realpath -m "${GANTRY_CACHE:-$cache}")
mkdir -p "$2"
results=$(realpath "$2")/$1.tsv
: >"$results"

skip() {
  say "the engines of $1 are skipped: $2"
  printf '%s\t*\tskipped\t%s\n' "$1" "$2" >"$results"
  exit 0
}

[ "$(id -u)" = 0 ] || skip "$1" "engines are started as root only"
reason=$(unshare --net --mount --pid --fork --mount-proc true 2>&1) || skip "$1" "no namespaces: $reason"

# What a run left that was killed: nobody holds its lock.
for left in /tmp/gantry-engines.*; do
  [ ! -e "$left/lock" ] || flock --nonblock "$left/lock" rm -rf --one-file-system "$left" || true
done
work=$(mktemp -d /tmp/gantry-engines.XXXX) # short: the path of a socket is 107 bytes at most
# shellcheck disable=SC2317 # called by the trap
finish() {
  rm -rf --one-file-system "$work"
  find /sys/fs/cgroup -depth -type d -path "*/${work##*/}*" -exec rmdir {} + 2>/dev/null || true
}
trap finish EXIT
exec 8>"$work/lock"
flock 8
chmod 755 "$work" # for the rootless user
mkdir "$work/etc" "$work/engines"

status=0
setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc \
  "$repository/tests/engines/families.sh" "$1" "$results" "$work" "$cache/engines" || status=$?
if [ "$status" != 0 ]; then
  for log in "$work"/*.log; do
    [ ! -s "$log" ] || { echo "---- ${log##*/}:" && tail -n 8 "$log"; }
  done
fi
exit "$status"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# without_daemon.sh images STORE: brings the images of the tests from the engine of DOCKER_HOST into a store of gantry's
# without_daemon.sh run STORE SPEC [ARGUMENT...]: runs a spec of tests/engine once more, on the engine without a daemon
#
# What a spec leaves fails it: a container's directory, a monitor, a mount.
set -euo pipefail
# shellcheck source=scripts/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/engine.sh"
cd "$repository"
gantry=${GANTRY:-$repository/build/gantry}

# The images of the tests that are in the engine: ID NAME.
images_of_engine() {
  engine /images/json | jq -r '.[] | .Id as $id | .RepoTags[]? | select(test("^gantry-(test|demo)-")) | "\($id) \(.)"' |
    sort
}

bring_images() {
  local wanted missing
  wanted=$(images_of_engine)
  missing=$("$gantry" image list --engine oci: --json | jq -r '.images[]? | .id as $id | .references[] | "\($id) \(.)"' |
    sort | comm -13 - <(printf '%s\n' "$wanted") | cut -d ' ' -f 2)
  [ -n "$missing" ] || return 0
  # shellcheck disable=SC2086 # one argument an image
  docker save $missing | "$gantry" image load --engine oci:
}

# What of a container there is on this machine, whose runtime directory is below $1.
leftovers() {
  pgrep -af "[g]antry-monitor .*$1/" || true
  grep -F " $1/" /proc/self/mountinfo || true
}

command -v runc >/dev/null || { echo "runc is not installed" && exit 77; }
export GANTRY_IMAGE_DIR=$2
case $1 in
  images) bring_images ;;
  run)
    root=$(mktemp -d "${TMPDIR:-/tmp}/oci-XXXXXX") # short, as sockets' paths are
    trap 'rm -rf "$root"' EXIT
    chmod 1777 "$root"
    mkdir -m 700 "$root/run"
    export GANTRY_ENGINE=${GANTRY_ENGINE:-oci:runc} GANTRY_RUNTIME_DIR=$root/run TMPDIR=$root
    shift 2
    busted --lua=lua5.4 --output=gtest --helper=tests/engine/left_out.lua "$@"
    for ((attempt = 0; attempt < 100; attempt++)); do # what was killed last may be going yet
      left=$(leftovers "$root")
      [ -n "$left" ] || exit 0
      sleep .1
    done
    die "the spec left behind: $left"
    ;;
  *) die "usage: without_daemon.sh images STORE | run STORE SPEC..." ;;
esac

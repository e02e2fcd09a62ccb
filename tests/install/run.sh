#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh BUILD VERSION: installs into an empty root and uses what landed there, with no way back to the source tree.
# Needs an engine with the demo plugin's image.
set -euo pipefail
build=$(cd "$1" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

fail() {
  echo "install: $*" >&2
  exit 1
}

DESTDIR=$root cmake --install "$build" --prefix /usr >/dev/null
cd "$root"
find . -type f -printf '%P %m\n' | sort

# installed COMMAND...: as a user's shell would run it, away from the source tree.
installed() { env -i HOME=/nonexistent DOCKER_HOST="${DOCKER_HOST:-}" PATH="$root/usr/bin:/usr/bin:/bin" "$@"; }

! grep -rIlF "$build" . || fail "the files above name the build tree"

version=$(installed gantry version)
[[ $version == "gantry $2 "* ]] || fail "gantry version printed '$version'"

# It runs what was compiled with it: here a copy with one word of that changed.
LC_ALL=C sed 's/gantry %s (/GANTRY %s (/' usr/bin/gantry >usr/bin/patched
chmod 755 usr/bin/patched
version=$(installed patched version)
[[ $version == "GANTRY $2 "* ]] || fail "the installed gantry compiles its Lua anew: version printed '$version'"
rm usr/bin/patched

demo=usr/share/gantry/policies/demo.lua
installed gantry check "$demo" || fail "the shipped $demo does not pass gantry check"
# Other policies find what is shipped, also in folders.
echo 'return { image = "x", restart = require "patterns.oom" "1GiB" }' >policy.lua
installed gantry check policy.lua || fail "require finds no shipped policy"
plan=$(installed gantry plan "$demo")
[[ $plan == *gantry-demo-kv* ]] || fail "gantry plan printed '$plan'"

module=$(dirname "$(find usr -path '*/gantry/core.so')")
installed LUA_PATH="$root/usr/share/lua/5.4/?.lua;$root/usr/share/lua/5.4/?/init.lua;;" \
  LUA_CPATH="$root/${module%/gantry}/?.so;;" lua5.4 -e 'assert(require("gantry").launch)' ||
  fail "require 'gantry' fails under lua5.4"

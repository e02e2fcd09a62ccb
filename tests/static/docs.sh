#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# docs.sh BUILD: the generated documents are what docs/generate.lua would write now, and the man pages have no mistakes.
set -euo pipefail
build=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

LUA_PATH="lua/?.lua;lua/?/init.lua;;" LUA_CPATH="$build/lib/?.so;;" lua5.4 docs/generate.lua --check
lua5.4 -e 'assert(loadfile("docs/stubs/gantry.lua"))'
for page in docs/man/*.[15]; do
  mistakes=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
  [ -z "$mistakes" ] || { echo "$mistakes" >&2 && exit 1; }
done

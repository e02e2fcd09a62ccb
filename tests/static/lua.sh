#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# lua.sh: runs luacheck (options in .luacheckrc) over every Lua file of the repository, and what luacheck cannot see.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

luacheck --quiet --no-color lua policies tests docs
find lua policies -name '*.lua' -exec lua5.4 tests/static/json_answers.lua {} +
find lua/gantry -name '*.lua' -exec lua5.4 tests/static/order.lua {} +
find lua/gantry -name '*.lua' -exec lua5.4 tests/static/engine_words.lua {} +

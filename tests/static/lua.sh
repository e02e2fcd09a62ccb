#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# lua.sh: runs luacheck (options in .luacheckrc) over every Lua file of the repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

luacheck --quiet --no-color lua policies tests docs

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# c.sh BUILD: holds the C files against the order of their rooms, with the objects of BUILD, and their names against
# each other.
set -euo pipefail
build=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

find src -name '*.[ch]' -exec lua5.4 tests/static/order_c.lua "$build" {} +
find src -name '*.[ch]' -exec lua5.4 tests/static/names_c.lua {} +

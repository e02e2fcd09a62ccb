#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh [--if-changed]: builds the launchers that gantry is measured against, into $GANTRY_CACHE/bench (default:
# .cache of the repository): peer, a Go host on plugincontainer (skipped with one line where Go is too old), and bare,
# the engine's calls alone.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
cd "$repository"
cache=$(realpath -m "${GANTRY_CACHE:-$cache}")

# shellcheck disable=SC2034 # go.sh uses it
if_changed=
case ${1:-} in
  '') ;;
  --if-changed) if_changed=1 ;;
  *) die "unknown argument '$1'; usage: build.sh [--if-changed]" ;;
esac
# shellcheck source=tests/plugins/go.sh
. tests/plugins/go.sh

for launcher in bare peer; do
  build_go "tests/bench/$launcher" go.mod "$cache/bench/$launcher" || continue
done
say "launchers are in $cache/bench"

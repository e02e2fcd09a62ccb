#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# leftovers.sh record|check FILE: the engine tests' first and last word. `record` notes the plugin containers that are
# there before the tests, `check` fails where there are others after them, and says which.
set -euo pipefail
# shellcheck source=scripts/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/engine.sh"

plugin_containers() {
  engine '/containers/json?all=1' --get --data-urlencode 'filters={"label":["gantry.plugin"]}' |
    jq -r '.[] | "\(.Id) \(.Names[0]) \(.State) \(.Labels["gantry.plugin"])"' | sort
}

case $1 in
  record) plugin_containers >"$2" ;;
  check)
    left=$(comm -13 <(cut -d ' ' -f 1 "$2") <(plugin_containers | cut -d ' ' -f 1))
    [ -z "$left" ] || die "the tests left containers behind: $(plugin_containers | grep -F "$left" | tr '\n' ';')"
    ;;
  *) die "usage: leftovers.sh record|check FILE" ;;
esac

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# packages.sh BUILD VERSION: the Debian package and the rock, each made, put into an empty root, and used from there
# with no way back to the source tree. Nothing is downloaded.
set -euo pipefail
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

fail() {
  echo "packages: $*" >&2
  exit 1
}

# away COMMAND...: away from the source tree, with nothing of the caller's environment.
away() { (cd "$root" && env -i HOME=/nonexistent DOCKER_HOST="${DOCKER_HOST:-}" PATH=/usr/bin:/bin "$@"); }

# use LUA_FOLDER LIBRARY_FOLDER: the module loads under lua5.4 and checks a policy, and each C module loads, also first.
use() {
  local module
  away env LUA_PATH="$1/?.lua;$1/?/init.lua;;" LUA_CPATH="$2/?.so;;" lua5.4 -e '
    local gantry = require "gantry"
    assert(require("gantry.config").validate { image = "x" })
    assert(gantry.loop():fd() > 0)' || fail "require 'gantry' fails under lua5.4 ($1)"
  for module in certificate control grpc http line_editor screen; do
    away env LUA_CPATH="$2/?.so;;" lua5.4 -e "require 'gantry.core.$module' require 'gantry.core'" ||
      fail "require 'gantry.core.$module' fails under lua5.4 ($2)"
  done
}

# finds_monitor LIBRARY_FOLDER: a host without gantry's executable finds the program that stays beside a container.
finds_monitor() {
  away env LUA_CPATH="$1/?.so;;" lua5.4 -e "
    local path = assert(require 'gantry.core'.system.own_program 'gantry-monitor')
    assert(path:find('$root', 1, true) == 1, path)
    assert(require 'gantry.core'.system.own_program 'gantry-gate')" || fail "gantry-monitor and -gate are not found from $1"
}

(cd "$root" && cpack --config "$build/CPackConfig.cmake" -G DEB -B "$root/cpack" >"$root/cpack.log") ||
  fail "cpack: $(tail -n 5 "$root/cpack.log")"
package=$(echo "$root"/cpack/*.deb)
dpkg-deb --info "$package" | sed -n 's/^ \(Package\|Version\|Depends\)/\1/p'
depends=$(dpkg-deb --field "$package" Depends)
for library in libarchive13 libc6 libcurl4 libmicrohttpd12 libncursesw6 libnghttp2-14 libreadline8 libssl3 lua-argparse \
  lua-cjson; do
  grep -Eq "(^|, )$library(t64)?( |,|$)" <<<"$depends" || fail "the package does not depend on $library: $depends"
done
dpkg-deb --extract "$package" "$root/deb"
[[ $(away "$root/deb/usr/bin/gantry" version) == "gantry $2 "* ]] || fail "the packaged gantry does not run"
[[ $(away "$root/deb/usr/bin/gantry" -e '6 * 7') == 42 ]] || fail "gantry -e does not run"
away "$root/deb/usr/bin/gantry" check "$root/deb/usr/share/gantry/policies/demo.lua"
diff <(cd "$source/policies" && find . -name '*.lua' ! -name '*_test.lua' | sort) \
  <(cd "$root/deb/usr/share/gantry/policies" && find . -type f | sort) || fail "the package has other policies than the tree"
diff -r "$source/web" "$root/deb/usr/share/gantry/web" || fail "the package has another page than the tree"
use "$root/deb/usr/share/lua/5.4" "$root/deb/usr/lib/lua/5.4"
finds_monitor "$root/deb/usr/lib/lua/5.4"
for file in man/man1/gantry.1 man/man5/gantry-policy.5 gantry/stubs/gantry.lua gantry/prometheus/alerts.yml \
  gantry/prometheus/dashboard.json \
  bash-completion/completions/gantry zsh/vendor-completions/_gantry fish/vendor_completions.d/gantry.fish; do
  [ -s "$root/deb/usr/share/$file" ] || [ -s "$root/deb/usr/share/$file.gz" ] || fail "the package has no $file"
done
[ -s "$root/deb/usr/lib/systemd/system/gantry.service" ] || fail "the package has no systemd unit"
# Completion asks the packaged gantry for what begins with `simu`.
completed=$(away bash -c ". '$root/deb/usr/share/bash-completion/completions/gantry'; COMP_LINE='gantry simu'
  COMP_POINT=11; \$(complete -p gantry | sed -n 's/.*-F \([^ ]*\).*/\1/p') '$root/deb/usr/bin/gantry'
  echo \"\${COMPREPLY[*]}\"")
[[ $completed == simulate* ]] || fail "bash completes 'gantry simu' to '$completed'"

mkdir "$root/rock"
cp -R "$source/src" "$source/lua" "$source/policies" "$source/docs" "$source/CMakeLists.txt" \
  "$source/gantry-dev-1.rockspec" "$root/rock"
# As the README says it, and without a network where that can be had.
read -ra make <<<"$(grep -o 'luarocks --lua-version 5.4 make[^`]*' "$source/README.md")"
offline=()
unshare --net true 2>/dev/null && offline=(unshare --net)
(cd "$root/rock" && "${offline[@]}" "${make[@]}" --tree "$root/tree" >"$root/rock.log" 2>&1) ||
  fail "luarocks make: $(tail -n 20 "$root/rock.log")"
rm -rf "$root/rock"
use "$root/tree/share/lua/5.4" "$root/tree/lib/lua/5.4"
finds_monitor "$root/tree/lib/lua/5.4"

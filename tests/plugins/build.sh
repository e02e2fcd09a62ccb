#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh [--if-changed] [--binaries]: builds the key-value plugin with the newest go-plugin and with 1.6.x, and imports it into the
# engine of DOCKER_HOST as images from scratch:
#   gantry-demo-kv:latest       the newest that this Go builds
#   gantry-test-kv:latest       the same
#   gantry-test-kv:1.8, :1.6    by go-plugin's version; skipped with one line where this Go is too old
#   gantry-test-kv:nonroot      the newest, run as 65532:65532
#   gantry-test-kv:nonroot-mlock  the same, whose binary may lock memory: a file's capability counts for every user
#   gantry-test-old:latest      a plugin of go-plugin 1.4, which knows no PLUGIN_UNIX_SOCKET_DIR; hosts/old is its host, too
#   gantry-test-bare:latest     the newest, in an image that names no program
#   gantry-test-broken:latest   a program that is no plugin: says so on stderr and exits with code 3
# An image is imported again only when its binary or recipe changed, so that image ids stay. --if-changed does not even
# call Go where no source file changed; --binaries asks no engine for anything. Binaries go to $GANTRY_CACHE (default: .cache of the repository).
set -euo pipefail
# shellcheck source=scripts/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/engine.sh"
cd "$repository"
cache=$(realpath -m "${GANTRY_CACHE:-$cache}")

if_changed=
binaries=
for argument; do
  case $argument in
    --if-changed) if_changed=1 ;;
    --binaries) binaries=1 ;;
    *) die "unknown argument '$argument'; usage: build.sh [--if-changed] [--binaries]" ;;
  esac
done
# shellcheck source=tests/plugins/go.sh
. tests/plugins/go.sh

# shellcheck source=tests/plugins/images.sh
. tests/plugins/images.sh

[ -n "$binaries" ] || engine_answers || die "no engine answers at ${DOCKER_HOST:-unix://$engine_socket}"
mkdir -p "$cache"
exec 9>"$cache/plugins.lock"
flock 9

newest=
for version in 1.6 1.8; do
  module_file=go-$version.mod
  [ -e "tests/plugins/kv/$module_file" ] || module_file=go.mod
  build_go tests/plugins/kv "$module_file" "$cache/kv/kv-$version" || continue
  [ -n "$binaries" ] || import "gantry-test-kv:$version" "$cache/kv/kv-$version" 'ENTRYPOINT ["/kv"]'
  newest=$version
done
[ -n "$newest" ] || die "no plugin was built"
ln -sf "kv-$newest" "$cache/kv/kv"
[ -z "$binaries" ] || exit 0

name_also "gantry-test-kv:$newest" gantry-demo-kv:latest
name_also "gantry-test-kv:$newest" gantry-test-kv:latest
import gantry-test-kv:nonroot "$cache/kv/kv-$newest" 'ENTRYPOINT ["/kv"]' 'USER 65532:65532'
if [ "$(id -u)" = 0 ] && command -v setcap >/dev/null; then
  capability=cap_ipc_lock=+ep import gantry-test-kv:nonroot-mlock "$cache/kv/kv-$newest" \
    'ENTRYPOINT ["/kv"]' 'USER 65532:65532'
else
  say "skipped gantry-test-kv:nonroot-mlock: a file's capability is set by root, with setcap"
fi
import gantry-test-broken:latest "$cache/kv/kv-$newest" \
  'ENTRYPOINT ["/kv","-exit-now","3","-say","this program is no plugin"]'
import gantry-test-bare:latest "$cache/kv/kv-$newest"
if build_go tests/plugins/old go.mod "$cache/hosts/old"; then
  import gantry-test-old:latest "$cache/hosts/old" 'ENTRYPOINT ["/kv"]'
fi
remove_unnamed
say "images of gantry-test-kv, gantry-test-broken and gantry-demo-kv (go-plugin $newest) are in the engine"

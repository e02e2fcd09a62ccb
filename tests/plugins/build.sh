#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh [--if-changed]: builds the key-value plugin with the newest go-plugin and with 1.6.x, and imports it into the
# engine of DOCKER_HOST as images from scratch:
#   gantry-demo-kv:latest       the newest that this Go builds
#   gantry-test-kv:1.8, :1.6    by go-plugin's version; skipped with one line where this Go is too old
#   gantry-test-kv:nonroot      the newest, run as 65532:65532
#   gantry-test-broken:latest   a program that is no plugin: says so on stderr and exits with code 3
# An image is imported again only when its binary or recipe changed, so that image ids stay. --if-changed does not even
# call Go where no source file changed. Binaries go to $GANTRY_CACHE (default: .cache of the repository).
set -euo pipefail
# shellcheck source=scripts/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/engine.sh"
cd "$repository"
cache=$(realpath -m "${GANTRY_CACHE:-$cache}")

if_changed=
case ${1:-} in
  '') ;;
  --if-changed) if_changed=1 ;;
  *) die "unknown argument '$1'; usage: build.sh [--if-changed]" ;;
esac
# shellcheck source=tests/plugins/go.sh
. tests/plugins/go.sh

label=gantry.test.binary

# The label of image $1, or nothing.
label_of() { engine "/images/$1/json" | sed -n "s/.*\"$label\":\"\([0-9a-f]*\)\".*/\1/p" | head -n 1; }

# The file system of an image: the plugin and a folder for sockets.
archive() {
  local root
  root=$(mktemp -d)
  chmod 755 "$root"
  mkdir -m 1777 "$root/tmp"
  install -m 755 "$1" "$root/kv"
  tar -C "$root" -c --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 .
  rm -r "$root"
}

# import NAME:TAG BINARY CHANGE...: makes the image, with the changes of a Dockerfile's syntax, unless it is there.
import() {
  local image=$1 binary=$2 fingerprint change queries=()
  shift 2
  fingerprint=$({ sha256sum <"$binary" && printf '%s\n' "$@" && declare -f archive; } | sha256sum)
  fingerprint=${fingerprint%% *}
  [ "$(label_of "$image")" != "$fingerprint" ] || return 0
  for change in "$@" "LABEL $label=$fingerprint"; do queries+=(--url-query "changes=$change"); done
  say "importing $image"
  archive "$binary" | engine "/images/create?fromSrc=-&repo=${image%:*}&tag=${image#*:}" "${queries[@]}" \
    -H 'Content-Type: application/x-tar' -H 'Expect:' --data-binary @- >"$cache/import.log"
  [ "$(label_of "$image")" = "$fingerprint" ] ||
    die "the engine did not import $image: $(tail -n 1 "$cache/import.log")"
}

# Gives image $1 the further name $2.
name_also() { engine "/images/$1/tag?repo=${2%:*}&tag=${2#*:}" -X POST --fail; }

# Removes what an import left without a name, unless a container uses it.
remove_unnamed() {
  local id
  engine /images/json -G --data-urlencode "filters={\"dangling\":[\"true\"],\"label\":[\"$label\"]}" |
    { grep -o '"Id":"sha256:[0-9a-f]*"' || true; } | cut -d '"' -f 4 |
    while read -r id; do engine "/images/$id" -X DELETE >/dev/null; done
}

engine_answers || die "no engine answers at ${DOCKER_HOST:-unix://$engine_socket}"
mkdir -p "$cache"
exec 9>"$cache/plugins.lock"
flock 9

newest=
for version in 1.6 1.8; do
  module_file=go-$version.mod
  [ -e "tests/plugins/kv/$module_file" ] || module_file=go.mod
  build_go tests/plugins/kv "$module_file" "$cache/kv/kv-$version" || continue
  import "gantry-test-kv:$version" "$cache/kv/kv-$version" 'ENTRYPOINT ["/kv"]'
  newest=$version
done
[ -n "$newest" ] || die "no plugin was built"

name_also "gantry-test-kv:$newest" gantry-demo-kv:latest
import gantry-test-kv:nonroot "$cache/kv/kv-$newest" 'ENTRYPOINT ["/kv"]' 'USER 65532:65532'
import gantry-test-broken:latest "$cache/kv/kv-$newest" \
  'ENTRYPOINT ["/kv","-exit-now","3","-say","this program is no plugin"]'
remove_unnamed
say "images of gantry-test-kv, gantry-test-broken and gantry-demo-kv (go-plugin $newest) are in the engine"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fetch.sh: unpacks the engines that the matrix runs into $GANTRY_CACHE/engines (default: .cache of the repository),
# once: nothing is installed on the machine. What cannot be had is told in NAME.missing there, and is skipped.
#   tools     of bookworm: runsc, rootlesskit, uidmap, patchelf
#   podman4   podman of bookworm, with all it needs
#   docker26  docker.io, containerd, runsc of trixie
#   docker28  the same of sid
#   podman5   podman of trixie, with all it needs
#   runtimes13  crun and runc of trixie, likewise
# The plugins' images, which every engine loads, are saved there from the engine of DOCKER_HOST.
set -euo pipefail
# shellcheck source=scripts/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/engine.sh"
cache=$(realpath -m "${GANTRY_CACHE:-$cache}")/engines
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror that apt uses on this machine.
mirror() {
  { awk '/^URIs:.*debian\/?( |$)/ { print $2; exit }' /etc/apt/sources.list.d/*.sources 2>/dev/null
    awk '/^deb .*debian\/? / { for (i = 2; i <= NF; i++) if ($i ~ /^http/) { print $i; exit } }' \
      /etc/apt/sources.list 2>/dev/null; } | head -n 1
}

# suite NAME: an apt state of its own for a suite, with its list of packages.
suite() {
  local state=$cache/apt/$1
  [ ! -e "$state/updated" ] || return 0
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  : >"$state/status"
  echo "deb [signed-by=$keyring] $(mirror) $1 main" >"$state/sources.list"
  printf '%s "%s";\n' Dir::Etc::SourceList "$state/sources.list" Dir::Etc::SourceParts - Dir::State::Lists \
    "$state/lists" Dir::State::Status "$state/status" Dir::Cache "$state" APT::Install-Recommends false \
    APT::Sandbox::User root APT::Update::Error-Mode any Acquire::Retries 3 Acquire::Languages none \
    Acquire::IndexTargets::deb::DEP-11::DefaultEnabled false >"$state/apt.conf"
  APT_CONFIG=$state/apt.conf apt-get update -q && touch "$state/updated"
}

# unpack NAME SUITE alone|whole PACKAGE...: into $cache/NAME, alone or with everything that they depend on.
unpack() {
  local name=$1 state=$cache/apt/$2 how=$3 file
  shift 3
  rm -rf "${cache:?}/$name" "$state/archives"
  mkdir -p "$state/archives/partial" "$cache/$name"
  if [ "$how" = whole ]; then
    APT_CONFIG=$state/apt.conf apt-get install -q -y --download-only "$@"
  else
    (cd "$state/archives" && APT_CONFIG=$state/apt.conf apt-get download -q "$@")
  fi || return
  for file in "$state"/archives/*.deb; do dpkg -x "$file" "$cache/$name" || return; done
  rm -rf "$state/archives"
}

# Programs of another system find the loader and the libraries they were unpacked with: the cache may not move after this.
patch_programs() {
  local root=$cache/$1 loader file
  loader=$(find "$root" -name ld-linux-x86-64.so.2 -type f | head -n 1) # the links beside it are absolute
  mkdir -p "$root/bin"
  for file in usr/bin/podman usr/bin/conmon usr/bin/crun usr/sbin/runc usr/lib/podman/netavark; do
    [ -e "$root/$file" ] || continue # bookworm's podman does without netavark
    cp "$root/$file" "$root/bin/"
    "$cache/tools/usr/bin/patchelf" --set-interpreter "$loader" --force-rpath \
      --set-rpath "$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu" "$root/bin/${file##*/}" || return
  done
  rm -rf "${root:?}"/usr/{share,bin,sbin,libexec} "${root:?}/var"
}

# fetch NAME SUITE alone|whole PACKAGE...: unless it is there.
fetch() {
  local name=$1 done=$cache/$1.done
  [ "$(cat "$done" 2>/dev/null)" != "$cache $*" ] || return 0
  rm -f "$done" "$cache/$name.missing"
  say "fetching $name"
  if suite "$2" >"$cache/$name.log" 2>&1 && unpack "$@" >>"$cache/$name.log" 2>&1 &&
    { [ "$3" = alone ] || patch_programs "$name" >>"$cache/$name.log" 2>&1; }; then
    echo "$cache $*" >"$done"
  else
    { grep -E '^(E:|W:|dpkg)' "$cache/$name.log" || tail -n 1 "$cache/$name.log"; } | head -n 1 |
      sed "s/^/it could not be fetched: /" >"$cache/$name.missing"
    say "$name: $(cat "$cache/$name.missing")"
  fi
}

# The plugins' images as one archive: every engine has the same.
save_images() {
  local name id names='' ids=''
  for name in gantry-test-kv:latest gantry-test-kv:nonroot gantry-test-kv:nonroot-mlock gantry-test-old:latest; do
    id=$(engine "/images/$name/json" | jq -r '.Id // empty')
    [ -z "$id" ] || names+="&names=$name" ids+="$name $id "
  done
  [ "$(cat "$cache/images.ids" 2>/dev/null)" != "$ids" ] || return 0
  engine "/images/get?${names:1}" -f -o "$cache/images.tar" && echo "$ids" >"$cache/images.ids"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ "$(id -u)" != 0 ]; then
  say "not run as root: no engine is fetched"
  exit
fi
fetch tools bookworm alone runsc rootlesskit uidmap patchelf
fetch podman4 bookworm whole podman runc crun-
fetch docker26 trixie alone docker.io containerd runsc
fetch docker28 sid alone docker.io containerd
fetch podman5 trixie whole podman runc crun-
fetch runtimes13 trixie whole crun runc
rm -rf "$cache/apt"
save_images || say "the plugins' images could not be saved"
say "engines are in $cache: $(cd "$cache" && echo *.done | sed 's/\.done//g')"

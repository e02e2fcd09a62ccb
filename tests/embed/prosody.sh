#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# prosody.sh: unpacks this Debian's Prosody, and the Lua modules that it needs, into $GANTRY_CACHE/prosody (default:
# .cache of the repository), once. It is not installed: its package would start a server on this machine. Where it
# cannot be had, prosody.missing there says why.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
cache=$(realpath -m "${GANTRY_CACHE:-$cache}")
root=$cache/prosody
packages=(prosody lua-bitop lua-expat lua-filesystem lua-sec lua-socket)

mkdir -p "$cache"
exec 9>"$cache/prosody.lock"
flock 9
[ ! -e "$root/usr/bin/prosody" ] || exit 0
rm -rf "$root" "$root.new" "$cache/prosody.missing"
mkdir -p "$root.new/archives"
cd "$root.new/archives"
if ! { apt-get download -q "${packages[@]}" || { "${sudo[@]}" apt-get update -q && apt-get download -q "${packages[@]}"; }
} >"$cache/prosody.log" 2>&1; then
  { grep '^E:' "$cache/prosody.log" || tail -n 1 "$cache/prosody.log"; } | head -n 1 >"$cache/prosody.missing"
  say "prosody could not be fetched: $(cat "$cache/prosody.missing")"
  exit 0
fi
for file in *.deb; do dpkg -x "$file" "$root.new"; done
sed -i "s|/usr/lib/prosody|$root/usr/lib/prosody|g" "$root.new/usr/bin/prosody"
rm -rf "$root.new/archives"
mv "$root.new" "$root"
say "prosody is in $root"

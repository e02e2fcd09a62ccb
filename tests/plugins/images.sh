# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# images.sh: imports static binaries into the engine of DOCKER_HOST as images from scratch. Sourced, after
# scripts/engine.sh; $cache is a folder for the log.

label=gantry.test.binary

# The label of image $1, or nothing.
label_of() { engine "/images/$1/json" | sed -n "s/.*\"$label\":\"\([0-9a-f]*\)\".*/\1/p" | head -n 1; }

# The file system of an image: the plugin, with a file's capability where $2 names one, and a folder for sockets.
archive() {
  local root
  root=$(mktemp -d)
  chmod 755 "$root"
  mkdir -m 1777 "$root/tmp"
  install -m 755 "$1" "$root/kv"
  [ -z "$2" ] || setcap "$2" "$root/kv"
  tar -C "$root" -c --xattrs --xattrs-include=security.capability --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 .
  rm -r "$root"
}

# import NAME:TAG BINARY CHANGE...: makes the image, with the changes of a Dockerfile's syntax, unless it is there. The
# binary gets the file's capability in $capability.
capability=
import() {
  local image=$1 binary=$2 fingerprint change queries=()
  shift 2
  fingerprint=$({ sha256sum <"$binary" && printf '%s\n' "$@" "$capability" && declare -f archive; } | sha256sum)
  fingerprint=${fingerprint%% *}
  [ "$(label_of "$image")" != "$fingerprint" ] || return 0
  for change in "$@" "LABEL $label=$fingerprint"; do queries+=(--url-query "changes=$change"); done
  say "importing $image"
  # shellcheck disable=SC2154 # the folder is the caller's
  archive "$binary" "$capability" | engine "/images/create?fromSrc=-&repo=${image%:*}&tag=${image#*:}" "${queries[@]}" \
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

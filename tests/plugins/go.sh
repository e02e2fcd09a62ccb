# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# go.sh: builds the Go programs of the tests: static binaries that depend on source and Go alone. Sourced, after
# scripts/common.sh.

# The newest Go of this machine, or the one that GANTRY_GO names. Prints nothing without any.
newest_go() {
  local candidate
  for candidate in ${GANTRY_GO:-"$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go*/bin/go}; do
    [ ! -x "$candidate" ] || printf '%s %s\n' "$(GOTOOLCHAIN=local "$candidate" env GOVERSION)" "$candidate"
  done | sed -n 's/^go1/1/p' | sort -V | tail -n 1 | cut -d ' ' -f 2
}

# Fails, after one line that says why, where this Go cannot build the module of file $2 in folder $1.
go_suffices() {
  local have need
  [ -n "$go" ] || { say "skipped $1 with $2: no Go is installed" && return 1; }
  have=$(GOTOOLCHAIN=local "$go" env GOVERSION)
  need=$(sed -n 's/^go //p' "$1/$2")
  printf '%s\n' "$need" "${have#go}" | sort -CV && return
  say "skipped $1 with $2: needs Go $need, $go is ${have#go}"
  return 1
}

# What the binary is made of: this script, the Go, and every source file.
go_fingerprint() {
  { "$go" version && find "$1" "${BASH_SOURCE[0]}" -type f -print0 | sort -z | xargs -0 sha256sum; } |
    sha256sum | cut -d ' ' -f 1
}

# build_go FOLDER MODULE_FILE OUTPUT: builds unless $if_changed is set and OUTPUT is made of the same. Fails, after one
# line, where this Go is too old.
build_go() {
  local folder=$1 module_file=$2 output=$3 fingerprint
  go_suffices "$folder" "$module_file" || return
  fingerprint=$(go_fingerprint "$folder")
  [ -z "$if_changed" ] || [ ! -x "$output" ] || [ "$(cat "$output.made-of" 2>/dev/null)" != "$fingerprint" ] || return 0
  say "building $folder with $module_file and Go $("$go" env GOVERSION)"
  mkdir -p "$(dirname "$output")"
  (cd "$folder" && GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 "$go" build -modfile="$module_file" -buildvcs=false \
    -trimpath -ldflags='-s -w' -o "$output" .) || die "go build failed in $folder with $module_file"
  printf '%s\n' "$fingerprint" >"$output.made-of"
}

go=$(newest_go)

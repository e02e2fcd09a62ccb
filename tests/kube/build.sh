#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh [--all]: Kubernetes' kubelet, kube-apiserver and kubectl, and the etcd that they are tested with, of their own
# Go modules, in $GANTRY_CACHE/kube. That takes twenty minutes of processor time once, so only --all builds them; 77
# where they are not there and not to be built now.
set -euo pipefail
# shellcheck source=tests/kube/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$repository"
# shellcheck source=tests/plugins/go.sh
. tests/plugins/go.sh

# A version of which all parts are served (go list -m -versions tells): k8s.io/kubernetes names its own parts v0.0.0.
version=1.34.2
programs=(k8s.io/kubernetes/cmd/{kubelet,kube-apiserver,kubectl} go.etcd.io/etcd/server/v3)

# A module that replaces each of those parts by the one of the same release.
write_module() {
  local described
  described=$("$go" list -m -f '{{.GoMod}}' "k8s.io/kubernetes@v$version")
  {
    printf 'module tools\n'
    grep -E '^(go|godebug) ' "$described"
    printf 'require k8s.io/kubernetes v%s\nreplace (\n' $version
    grep -oE '^\sk8s\.io/[a-z-]+ v0\.0\.0$' "$described" |
      awk -v release="v0.${version#1.}" '{ print "\t" $1 " => " $1 " " release }'
    echo ')'
  } >go.mod
  {
    printf '//go:build tools\n\npackage tools\n\nimport (\n'
    printf '\t_ "%s"\n' "${programs[@]}"
    printf ')\n'
  } >tools.go
}

# Each step by itself: it is called where a failing command does not end the script.
build() {
  cd "$scratch" || return
  export GOTOOLCHAIN=local GOWORK=off GOFLAGS=-mod=mod CGO_ENABLED=0
  write_module && "$go" mod tidy && mkdir built &&
    nice "$go" build -trimpath -ldflags='-s -w' -o built/ "${programs[@]}" &&
    mv built/server built/etcd && mv built/* "$kube/"
}

[ "$(cat "$kube/made-of" 2>/dev/null)" != "$version" ] || exit 0
[ "${1:-}" = --all ] || [ "${GANTRY_FULL_WALK:-}" = 1 ] ||
  skip "Kubernetes is not in $kube, and takes minutes to build: scripts/test --all does"
[ -n "$go" ] || skip "no Go is installed"
mkdir -p "$kube"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
say "building Kubernetes $version"
logged build-kube build
printf '%s\n' $version >"$kube/made-of"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh [--if-changed]: builds go-plugin hosts that know nothing of gantry, and the plugins that they launch:
#   hold               a host that starts the key-value plugin of tests/plugins and holds it
#   tlsfront           TLS in front of an engine's socket
#   counter            a host of plugincontainer's own example; its plugin becomes gantry-test-example-counter
#   example-*          go-plugin's own example hosts; their plugins become images gantry-test-example-*
#   tofu               OpenTofu, and two providers as images gantry-test-provider-*
# All are modules of pinned versions. Hosts go to $GANTRY_CACHE/hosts (default: .cache of the repository), where a binary
# stays until its version, this script or the Go changes. What this Go is too old for is skipped with one line.
set -euo pipefail
# shellcheck source=scripts/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/engine.sh"
cd "$repository"
cache=$(realpath -m "${GANTRY_CACHE:-$cache}")
hosts=$cache/hosts

if_changed=
case ${1:-} in
  '') ;;
  --if-changed) if_changed=1 ;;
  *) die "unknown argument '$1'; usage: build.sh [--if-changed]" ;;
esac
# shellcheck source=tests/plugins/go.sh
. tests/plugins/go.sh
# shellcheck source=tests/plugins/images.sh
. tests/plugins/images.sh

# Whether Go is at least version $1.
go_is() { printf '%s\n' "$1" "$(GOTOOLCHAIN=local "$go" env GOVERSION | sed 's/^go//')" | sort -CV; }

# build_once OUTPUT RECIPE COMMAND...: runs a command that makes OUTPUT, unless it is there, made by the same recipe.
build_once() {
  local output=$1 recipe
  recipe="$("$go" version); $2"
  shift 2
  [ ! -x "$output" ] || [ "$(cat "$output.made-of" 2>/dev/null)" != "$recipe" ] || return 0
  say "building ${output##*/}"
  logged "build-${output##*/}" "$@"
  printf '%s\n' "$recipe" >"$output.made-of"
}

# compile FOLDER OUTPUT PACKAGE: a static binary.
compile() {
  (cd "$1" && GOTOOLCHAIN=local GOWORK=off GOFLAGS=-mod=mod CGO_ENABLED=0 nice "$go" build -buildvcs=false -trimpath \
    -ldflags='-s -w' -o "$2" "$3")
}

# compile_module MODULE@VERSION SUM OUTPUT PACKAGE: the same of a module that is a program: of a copy, since what is in
# Go's module cache is read-only.
compile_module() {
  local description folder copy
  description=$(GOTOOLCHAIN=local GOFLAGS=-mod=mod "$go" mod download -json "$1") || { echo "$description" && return 1; }
  [ "$(jq -r .Sum <<<"$description")" = "$2" ] || { echo "$1 is not the pinned one: $description" && return 1; }
  folder=$(jq -r .Dir <<<"$description")
  copy=$(mktemp -d)
  cp -r "$folder/." "$copy"
  chmod -R u+w "$copy"
  rm -rf "$copy/vendor"
  compile "$copy" "$3" "$4"
  rm -r "$copy"
}

# The example's folders: its host and its plugins.
build_examples() {
  local version example plugin
  version=$(sed -n 's/^.*github.com\/hashicorp\/go-plugin \(v[^ ]*\)$/\1/p' tests/hosts/go.mod)
  for example in basic:plugin grpc:plugin-go-grpc grpc:plugin-go-netrpc bidirectional:plugin-go-grpc \
    negotiated:plugin-go streaming:plugin; do
    plugin=${example#*:} example=${example%:*}
    build_once "$hosts/example-$example" "$version" compile tests/hosts "$hosts/example-$example" \
      "github.com/hashicorp/go-plugin/examples/$example"
    build_once "$hosts/example-$example-$plugin" "$version" compile tests/hosts "$hosts/example-$example-$plugin" \
      "github.com/hashicorp/go-plugin/examples/$example/$plugin"
    import "gantry-test-example-$example-$plugin:latest" "$hosts/example-$example-$plugin" 'ENTRYPOINT ["/kv"]'
  done
}

# The plugin of plugincontainer's example, from its module.
build_counter() {
  local plugin=$hosts/counter-plugin
  build_go tests/hosts/counter go.mod "$hosts/counter"
  build_once "$plugin" "$(sha256sum tests/hosts/counter/go.sum)" compile tests/hosts/counter "$plugin" \
    github.com/hashicorp/go-secure-stdlib/plugincontainer/examples/container/plugin-counter
  import gantry-test-example-counter:latest "$plugin" 'ENTRYPOINT ["/kv"]'
}

# provider NAME VERSION SUM
provider() {
  local module=github.com/hashicorp/terraform-provider-$1@$2
  build_once "$hosts/provider-$1" "$module" compile_module "$module" "$3" "$hosts/provider-$1" .
  import "gantry-test-provider-$1:latest" "$hosts/provider-$1" 'ENTRYPOINT ["/kv"]'
}

build_tofu() {
  local module=github.com/opentofu/opentofu@v1.12.6
  build_once "$hosts/tofu" "$module" compile_module "$module" h1:0VT4P8pMmGcCUnQ9JDrJ+Qg2d35Vzm4FFd/9+H7oF98= "$hosts/tofu" \
    ./cmd/tofu
  provider local v1.4.0 h1:SZjcKk1ZE90NH+IIISHdVzgxQArmSm9q/wVHkN34lPg=
  provider time v0.14.2 h1:yCAHwZj3huefsLZYoVQmup6qINSWk5QrspwVBxxIVPc=
}

engine_answers || die "no engine answers at ${DOCKER_HOST:-unix://$engine_socket}"
mkdir -p "$hosts"
exec 9>"$cache/plugins.lock"
flock 9

[ -n "$go" ] || { say "skipped: no Go is installed" && exit 0; }
if go_is 1.24; then
  build_go tests/hosts/hold ../go.mod "$hosts/hold"
  build_go tests/hosts/tlsfront ../go.mod "$hosts/tlsfront"
  build_examples
  build_counter
else
  say "skipped go-plugin's hosts: they need Go 1.24, $go is $(GOTOOLCHAIN=local "$go" env GOVERSION)"
fi
if go_is 1.26.6; then build_tofu; else say "skipped OpenTofu: it needs Go 1.26.6"; fi
say "hosts are in $hosts"

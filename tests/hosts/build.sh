#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh [--if-changed] [--all]: builds go-plugin hosts that know nothing of gantry, and the plugins that they launch:
#   hold               a host that starts the key-value plugin of tests/plugins and holds it
#   tlsfront           TLS in front of an engine's socket
#   counter            a host of plugincontainer's own example; its plugin becomes gantry-test-example-counter
#   packer             starts plugins for Packer as Packer does; packer-plugin is one, by its SDK, and becomes
#                      gantry-test-packer-plugin
#   example-*          go-plugin's own example hosts; their plugins become images gantry-test-example-*
#   vault              a host on Vault's own SDK; its plugins become gantry-test-vault
#   kube-decode        reads manifests into the types of the Kubernetes API (tests/kube/decode)
#   tofu               OpenTofu, and two providers as images gantry-test-provider-*
#   tflint             TFLint, and a ruleset as image gantry-test-tflint-ruleset
#   packer-amazon      Packer's plugin for Amazon, as image gantry-test-packer-amazon
# The last two take minutes each, and only --all builds them; without it they are used where they are there.
# All are modules of pinned versions. Hosts go to $GANTRY_CACHE/hosts (default: .cache of the repository), where a binary
# stays until its version, this script or the Go changes. What this Go is too old for is skipped with one line.
set -euo pipefail
# shellcheck source=scripts/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/engine.sh"
cd "$repository"
cache=$(realpath -m "${GANTRY_CACHE:-$cache}")
hosts=$cache/hosts

if_changed='' all=''
for argument; do
  case $argument in
    --if-changed) if_changed=1 ;;
    --all) all=1 ;;
    *) die "unknown argument '$argument'; usage: build.sh [--if-changed] [--all]" ;;
  esac
done
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

# module_once OUTPUT MODULE@VERSION SUM: a module that is a program, unless it is there. Fails where it is not, and is
# not to be built now.
module_once() {
  if [ -z "$all" ] && [ "$(cat "$1.made-of" 2>/dev/null)" != "$("$go" version); $2" ]; then
    rm -f "$1" # of an older recipe: nothing is tried with it
    say "left out ${1##*/}, which takes minutes to build: scripts/test --all has it"
    return 1
  fi
  build_once "$1" "$2" compile_module "$2" "$3" "$1" .
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

# Vault's SDK: half a minute, once.
build_vault() {
  local plugin=$hosts/vault-plugin
  build_go tests/hosts/vault go.mod "$hosts/vault" || return 0
  build_once "$plugin" "$(go_fingerprint tests/hosts/vault)" compile tests/hosts/vault "$plugin" ./plugin
  import gantry-test-vault:1.2.3 "$plugin" 'ENTRYPOINT ["/kv"]'
}

# Packer's way of starting, and a plugin by Packer's SDK.
build_packer() {
  local plugin=$hosts/packer-plugin
  build_go tests/hosts/packer go.mod "$hosts/packer"
  build_once "$plugin" "$(go_fingerprint tests/hosts/packer)" compile tests/hosts/packer "$plugin" ./plugin
  import gantry-test-packer-plugin:latest "$plugin" 'ENTRYPOINT ["/kv"]'
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

build_tflint() {
  local modules=github.com/terraform-linters
  module_once "$hosts/tflint" $modules/tflint@v0.61.0 h1:fWYy7c28oxku/OGeyOX/FaHDRVzsTbEAog1BL0JS/Xs= || return 0
  module_once "$hosts/tflint-ruleset" $modules/tflint-ruleset-terraform@v0.14.1 \
    h1:0uSuuILyh2XPNHxHofcNWGS8N3MTknDrm+lGGzPpcHA= || return 0
  import gantry-test-tflint-ruleset:latest "$hosts/tflint-ruleset" 'ENTRYPOINT ["/kv"]'
}

build_packer_amazon() {
  module_once "$hosts/packer-amazon" github.com/hashicorp/packer-plugin-amazon@v1.2.1 \
    h1:0Xqr8KsTJJhIo0vvjqPYrVMgyVxNRuYH4DeB5m/WAtw= || return 0
  import gantry-test-packer-amazon:latest "$hosts/packer-amazon" 'ENTRYPOINT ["/kv"]'
}

engine_answers || die "no engine answers at ${DOCKER_HOST:-unix://$engine_socket}"
mkdir -p "$hosts"
exec 9>"$cache/plugins.lock"
flock 9

[ -n "$go" ] || { say "skipped: no Go is installed" && exit 0; }
if go_is 1.24; then
  build_go tests/hosts/hold ../go.mod "$hosts/hold"
  build_go tests/hosts/tlsfront ../go.mod "$hosts/tlsfront"
  build_go tests/kube/decode go.mod "$hosts/kube-decode"
  build_examples
  build_counter
  build_vault
  build_packer
  build_packer_amazon
else
  say "skipped go-plugin's hosts: they need Go 1.24, $go is $(GOTOOLCHAIN=local "$go" env GOVERSION)"
fi
if go_is 1.25.5; then build_tflint; else say "skipped TFLint: it needs Go 1.25.5"; fi
if go_is 1.26.6; then build_tofu; else say "skipped OpenTofu: it needs Go 1.26.6"; fi
say "hosts are in $hosts"

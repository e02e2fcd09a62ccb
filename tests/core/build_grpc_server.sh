#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build_grpc_server.sh OUTPUT: builds the gRPC server that the core's tests talk to: with the newest grpc-go that this Go
# can build.
set -euo pipefail
output=$(realpath -m "$1")
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
cd "$repository"
# shellcheck disable=SC2034 # go.sh uses it
if_changed=1
# shellcheck source=tests/plugins/go.sh
. tests/plugins/go.sh

for module_file in go.mod go-1.64.mod; do
  build_go tests/core/grpc_server "$module_file" "$output" && exit
done
die "this Go is too old for tests/core/grpc_server"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh OUTPUT: builds the Go peer of the codec's tests. Every Go from 1.19 on can.
set -euo pipefail
output=$(realpath -m "$1")
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../../scripts/common.sh"
cd "$repository"
# shellcheck disable=SC2034 # go.sh uses it
if_changed=1
# shellcheck source=tests/plugins/go.sh
. tests/plugins/go.sh

build_go tests/lua/protobuf_peer go.mod "$output" || die "this Go is too old for tests/lua/protobuf_peer"

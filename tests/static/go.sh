#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# go.sh: fails where a Go file of the tests is not as gofmt has it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mapfile -t files < <(find tests -name '*.go' | sort)
[ -z "$(gofmt -d "${files[@]}" | tee /dev/stderr)" ]
echo "${#files[@]} Go files checked"

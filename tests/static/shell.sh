#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# shell.sh: runs shellcheck over every shell script of the repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mapfile -t files < <(grep -rlE '^#!.*\b(ba)?sh$|^# shellcheck shell=' scripts .ci tests docs/completions | sort)
shellcheck --external-sources "${files[@]}"
echo "${#files[@]} shell scripts checked"

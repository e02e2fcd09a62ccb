#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# format.sh: fails with the differences between the C files and what clang-format makes of them.
# To apply them: clang-format -i FILE...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mapfile -t files < <(find src tests -name '*.[ch]' | sort)
status=0
for file in "${files[@]}"; do
  diff -u --label "$file" --label "$file as clang-format has it" "$file" <(clang-format "$file") || status=1
done
echo "${#files[@]} C files checked with $(clang-format --version)"
exit $status

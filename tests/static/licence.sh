#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# licence.sh: fails for a source file that does not say its licence in its first lines.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

status=0
while IFS= read -r file; do
  head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || { echo "$file: no SPDX line" && status=1; }
done < <(find src lua policies tests docs scripts .ci -type f \
  \( -name '*.[ch]' -o -name '*.lua' -o -name '*.go' -o -name '*.sh' -o -path 'scripts/*' -o -path '.ci/*' \) | sort)
exit $status

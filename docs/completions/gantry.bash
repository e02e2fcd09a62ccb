# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# gantry.bash: completion for bash: gantry itself knows what can stand where the cursor is.

_gantry() {
  local line=${COMP_LINE:0:COMP_POINT} words current kept candidate
  read -ra words <<<"$line"
  [[ $line != *[[:space:]] ]] || words+=("")
  current=${words[-1]}
  # What bash takes for words of their own, the parts around : and =, it has written already.
  kept=${current%"${current##*[:=]}"}
  COMPREPLY=()
  while IFS=$'\t' read -r candidate _; do
    case $candidate in
      :files) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "${current#"$kept"}") ;;
      :directories) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "${current#"$kept"}") ;;
      :) ;;
      *) COMPREPLY+=("${candidate#"$kept"}") ;;
    esac
    [[ $candidate != :?* ]] || compopt -o filenames 2>/dev/null
  done < <("$1" __complete "${words[@]:1}" 2>/dev/null)
}

complete -F _gantry gantry

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
      :directories) compopt -o dirnames ;;
      :files)
        if [ ${#COMPREPLY[@]} = 0 ]; then
          compopt -o default # by bash itself, which knows quotes
        else
          mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "${current#"$kept"}")
          compopt -o filenames
        fi
        ;;
      :) ;;
      *) COMPREPLY+=("${candidate#"$kept"}") ;;
    esac
  done < <("${1/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
}

complete -F _gantry gantry

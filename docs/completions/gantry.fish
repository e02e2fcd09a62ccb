# SPDX-License-Identifier: Apache-2.0
#
# gantry.fish: completion for fish: gantry itself knows what can stand where the cursor is.

function __gantry_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l gantry (string replace -r '^~' $HOME $words[1])
    for line in ($gantry __complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path "$current"
            case :directories
                __fish_complete_directories "$current" ''
            case :
            case '*'
                echo $line
        end
    end
end

complete -c gantry -f -a '(__gantry_complete)'

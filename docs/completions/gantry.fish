function __fish_gantry_print_command
    set -l cmdline (commandline -poc)
    set -l cmd
    set -e cmdline[1]
    for arg in $cmdline
        switch $arg
            case run
                set cmd $cmd run
                break
            case init
                set cmd $cmd init
                break
            case plan
                set cmd $cmd plan
                break
            case call
                set cmd $cmd call
                break
            case check
                set cmd $cmd check
                break
            case test
                set cmd $cmd test
                break
            case exec
                set cmd $cmd exec
                break
            case host
                set cmd $cmd host
                break
            case simulate
                set cmd $cmd simulate
                break
            case up
                set cmd $cmd up
                break
            case ps
                set cmd $cmd ps
                break
            case start
                set cmd $cmd start
                break
            case stop
                set cmd $cmd stop
                break
            case restart
                set cmd $cmd restart
                break
            case reload
                set cmd $cmd reload
                break
            case logs
                set cmd $cmd logs
                break
            case why
                set cmd $cmd why
                break
            case events
                set cmd $cmd events
                break
            case reattach
                set cmd $cmd reattach
                break
            case down
                set cmd $cmd down
                break
            case repl
                set cmd $cmd repl
                break
            case doctor
                set cmd $cmd doctor
                break
            case gc
                set cmd $cmd gc
                break
            case version
                set cmd $cmd version
                break
        end
    end
    echo "$cmd"
end

function __fish_gantry_using_command
    test (__fish_gantry_print_command) = "$argv"
    and return 0
    or return 1
end

function __fish_gantry_seen_command
    string match -q "$argv*" (__fish_gantry_print_command)
    and return 0
    or return 1
end

complete -c gantry -n '__fish_gantry_using_command' -xa 'run' -d 'launch one plugin and keep it in the foreground'
complete -c gantry -n '__fish_gantry_using_command' -xa 'init' -d 'write a first policy'
complete -c gantry -n '__fish_gantry_using_command' -xa 'plan' -d 'show what would be created, with nothing started'
complete -c gantry -n '__fish_gantry_using_command' -xa 'call' -d 'launch a plugin for one call: JSON in, JSON out'
complete -c gantry -n '__fish_gantry_using_command' -xa 'check' -d 'check policies'
complete -c gantry -n '__fish_gantry_using_command' -xa 'test' -d 'run the tests of policies'
complete -c gantry -n '__fish_gantry_using_command' -xa 'exec' -d 'stand in for a plugin\'s binary, for OpenTofu, Vault and other hosts'
complete -c gantry -n '__fish_gantry_using_command' -xa 'host' -d 'run such a host with a private temporary directory'
complete -c gantry -n '__fish_gantry_using_command' -xa 'simulate' -d 'show what a policy would decide when its plugin ends'
complete -c gantry -n '__fish_gantry_using_command' -xa 'up' -d 'keep the plugins of a directory of policies running'
complete -c gantry -n '__fish_gantry_using_command' -xa 'ps' -d 'list them'
complete -c gantry -n '__fish_gantry_using_command' -xa 'start' -d 'start one that was stopped'
complete -c gantry -n '__fish_gantry_using_command' -xa 'stop' -d 'stop one, until it is started again'
complete -c gantry -n '__fish_gantry_using_command' -xa 'restart' -d 'stop one and start it anew'
complete -c gantry -n '__fish_gantry_using_command' -xa 'reload' -d 'read the policies again'
complete -c gantry -n '__fish_gantry_using_command' -xa 'logs' -d 'show a plugin\'s output'
complete -c gantry -n '__fish_gantry_using_command' -xa 'why' -d 'tell what happened to a plugin, and what was decided'
complete -c gantry -n '__fish_gantry_using_command' -xa 'events' -d 'show what happens, as it happens'
complete -c gantry -n '__fish_gantry_using_command' -xa 'reattach' -d 'print what a host needs to use a running plugin'
complete -c gantry -n '__fish_gantry_using_command' -xa 'down' -d 'stop all of them, and the supervisor'
complete -c gantry -n '__fish_gantry_using_command' -xa 'repl' -d 'a Lua session with gantry in it; `gantry -e CODE` runs one chunk'
complete -c gantry -n '__fish_gantry_using_command' -xa 'doctor' -d 'look for what would stop a plugin here'
complete -c gantry -n '__fish_gantry_using_command' -xa 'gc' -d 'remove what killed gantries left behind'
complete -c gantry -n '__fish_gantry_using_command' -xa 'version' -d 'show the version'
complete -c gantry -s h -l help -d 'Show this help message and exit'

complete -c gantry -n '__fish_gantry_seen_command run' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command run' -l name -r -d 'Name of this plugin, instead of the policy\'s'
complete -c gantry -n '__fish_gantry_seen_command run' -l engine -r -d 'The engine\'s address (unix:///path, tcp://host:port)'
complete -c gantry -n '__fish_gantry_seen_command run' -l debug -d 'Keep the container for inspection when the plugin has ended'
complete -c gantry -n '__fish_gantry_seen_command run' -l site -r -d 'The site policy, instead of $GANTRY_SITE or /etc/gantry/site.lua'
complete -c gantry -n '__fish_gantry_seen_command run' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command run' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command init' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command init' -l image -r -d 'The plugin\'s image'
complete -c gantry -n '__fish_gantry_seen_command init' -l for -r -d 'The host that starts the plugin: vault, openbao, opentofu, terraform, packer, tflint, nomad or grafana'
complete -c gantry -n '__fish_gantry_seen_command init' -l type -r -d 'Vault and OpenBao: auth, secret or database'
complete -c gantry -n '__fish_gantry_seen_command init' -l name -r -d 'The plugin\'s name, instead of the image\'s'
complete -c gantry -n '__fish_gantry_seen_command init' -l sha256 -r -d 'Pins the image to this id; none is asked for'
complete -c gantry -n '__fish_gantry_seen_command init' -s o -l output -r -d 'Where to write; NAME.lua where left out'
complete -c gantry -n '__fish_gantry_seen_command init' -l engine -r -d 'The engine that knows the image (unix:///path, tcp://host:port)'
complete -c gantry -n '__fish_gantry_seen_command init' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command init' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command plan' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command plan' -l name -r -d 'Name of this plugin, instead of the policy\'s'
complete -c gantry -n '__fish_gantry_seen_command plan' -l engine -r -d 'The engine\'s address (unix:///path, tcp://host:port)'
complete -c gantry -n '__fish_gantry_seen_command plan' -l site -r -d 'The site policy, instead of $GANTRY_SITE or /etc/gantry/site.lua'
complete -c gantry -n '__fish_gantry_seen_command plan' -l ctx -r -d 'Facts that stand in for those of ctx: JSON, such as {"engine": {"kind": "podman"}}'
complete -c gantry -n '__fish_gantry_seen_command plan' -l offline -d 'Ask no engine: it is what --ctx says, and the image is believed'
complete -c gantry -n '__fish_gantry_seen_command plan' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command plan' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command call' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command call' -l list -d 'List services, methods and messages'
complete -c gantry -n '__fish_gantry_seen_command call' -l timeout -r -d 'Seconds until the call must be done, or a duration such as 1m30s (default 30s)'
complete -c gantry -n '__fish_gantry_seen_command call' -l name -r -d 'Name of this plugin, instead of the policy\'s'
complete -c gantry -n '__fish_gantry_seen_command call' -l engine -r -d 'The engine\'s address (unix:///path, tcp://host:port)'
complete -c gantry -n '__fish_gantry_seen_command call' -l site -r -d 'The site policy, instead of $GANTRY_SITE or /etc/gantry/site.lua'
complete -c gantry -n '__fish_gantry_seen_command call' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command call' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command check' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command check' -l engine -r -d 'The engine that policies see in ctx.engine'
complete -c gantry -n '__fish_gantry_seen_command check' -l site -r -d 'The site policy, instead of $GANTRY_SITE or /etc/gantry/site.lua'
complete -c gantry -n '__fish_gantry_seen_command check' -l ctx -r -d 'Facts that stand in for those of ctx: JSON, such as {"engine": {"kind": "podman"}}'
complete -c gantry -n '__fish_gantry_seen_command check' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command check' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command test' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command test' -l filter -r -d 'Only the tests with this text in their names'
complete -c gantry -n '__fish_gantry_seen_command test' -l coverage -d 'Say which lines of policies no test ran'
complete -c gantry -n '__fish_gantry_seen_command test' -l junit -r -d 'Write a report in JUnit\'s XML as well'
complete -c gantry -n '__fish_gantry_seen_command test' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command test' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command exec' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command exec' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command exec' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command host' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command host' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command host' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command simulate' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command simulate' -l uptime -r -d 'How long it was ready before the ends that follow (5s)'
complete -c gantry -n '__fish_gantry_seen_command simulate' -l exit -r -d 'It exits with this code, so many times'
complete -c gantry -n '__fish_gantry_seen_command simulate' -l signal -r -d 'A signal ends it, so many times'
complete -c gantry -n '__fish_gantry_seen_command simulate' -l oom -r -d 'The kernel killed it for its memory'
complete -c gantry -n '__fish_gantry_seen_command simulate' -l unhealthy -r -d 'Its health checks fail'
complete -c gantry -n '__fish_gantry_seen_command simulate' -l lost -r -d 'It is gone and nobody knows how it ended'
complete -c gantry -n '__fish_gantry_seen_command simulate' -l start-failed -r -d 'The engine could not start it'
complete -c gantry -n '__fish_gantry_seen_command simulate' -l start-timeout -r -d 'It gave no handshake in time'
complete -c gantry -n '__fish_gantry_seen_command simulate' -l seed -r -d 'For the jitter: each seed gives one sequence'
complete -c gantry -n '__fish_gantry_seen_command simulate' -l engine -r -d 'The engine that policies see in ctx.engine'
complete -c gantry -n '__fish_gantry_seen_command simulate' -l site -r -d 'The site policy, instead of $GANTRY_SITE or /etc/gantry/site.lua'
complete -c gantry -n '__fish_gantry_seen_command simulate' -l ctx -r -d 'Facts that stand in for those of ctx: JSON, such as {"engine": {"kind": "podman"}}'
complete -c gantry -n '__fish_gantry_seen_command simulate' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command simulate' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command up' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command up' -l engine -r -d 'The engine\'s address (unix:///path, tcp://host:port)'
complete -c gantry -n '__fish_gantry_seen_command up' -l state -r -d 'Where it keeps what must outlive it, instead of the usual place'
complete -c gantry -n '__fish_gantry_seen_command up' -l control -r -d 'The control socket, instead of the usual one'
complete -c gantry -n '__fish_gantry_seen_command up' -l control-group -r -d 'A group whose members may control it'
complete -c gantry -n '__fish_gantry_seen_command up' -l log-format -xa 'text json' -d 'text or json: of events and output on standard error'
complete -c gantry -n '__fish_gantry_seen_command up' -l log-dir -r -d 'Write the plugins\' output to files in here too, a file a plugin, rotated at 10 MiB'
complete -c gantry -n '__fish_gantry_seen_command up' -l site -r -d 'The site policy, instead of $GANTRY_SITE or /etc/gantry/site.lua'
complete -c gantry -n '__fish_gantry_seen_command up' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command up' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command ps' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command ps' -l control -r -d 'The control socket of gantry up, instead of the usual one'
complete -c gantry -n '__fish_gantry_seen_command ps' -l columns -r -d 'Which columns, with commas between them, or all; name,state,up,cpu,memory,pids,restarts,image,exit where left out'
complete -c gantry -n '__fish_gantry_seen_command ps' -l sort -r -d 'By which column: numbers the largest first, texts by the alphabet'
complete -c gantry -n '__fish_gantry_seen_command ps' -l watch -d 'Again and again until Ctrl-C, each 2s where no time is given'
complete -c gantry -n '__fish_gantry_seen_command ps' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command ps' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command start' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command start' -l control -r -d 'The control socket of gantry up, instead of the usual one'
complete -c gantry -n '__fish_gantry_seen_command start' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command start' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command stop' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command stop' -l control -r -d 'The control socket of gantry up, instead of the usual one'
complete -c gantry -n '__fish_gantry_seen_command stop' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command stop' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command restart' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command restart' -l control -r -d 'The control socket of gantry up, instead of the usual one'
complete -c gantry -n '__fish_gantry_seen_command restart' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command restart' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command reload' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command reload' -l control -r -d 'The control socket of gantry up, instead of the usual one'
complete -c gantry -n '__fish_gantry_seen_command reload' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command reload' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command logs' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command logs' -l control -r -d 'The control socket of gantry up, instead of the usual one'
complete -c gantry -n '__fish_gantry_seen_command logs' -s f -l follow -d 'Go on with what it prints from now on, until Ctrl-C'
complete -c gantry -n '__fish_gantry_seen_command logs' -s n -l lines -r -d 'At most so many of the last lines (200)'
complete -c gantry -n '__fish_gantry_seen_command logs' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command logs' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command why' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command why' -l control -r -d 'The control socket of gantry up, instead of the usual one'
complete -c gantry -n '__fish_gantry_seen_command why' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command why' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command events' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command events' -l control -r -d 'The control socket of gantry up, instead of the usual one'
complete -c gantry -n '__fish_gantry_seen_command events' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command events' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command reattach' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command reattach' -l format -xa 'json terraform' -d 'json (go-plugin\'s ReattachConfig), or terraform (an export line for a shell)'
complete -c gantry -n '__fish_gantry_seen_command reattach' -l provider -r -d 'The provider\'s address, for terraform; registry.terraform.io/hashicorp/NAME where left out'
complete -c gantry -n '__fish_gantry_seen_command reattach' -l protocol -xa 'grpc netrpc' -d 'How the plugin speaks, where another host launched it'
complete -c gantry -n '__fish_gantry_seen_command reattach' -l protocol-version -r -d 'The application\'s protocol version, where another host launched it'
complete -c gantry -n '__fish_gantry_seen_command reattach' -l engine -r -d 'The engine\'s address (unix:///path, tcp://host:port)'
complete -c gantry -n '__fish_gantry_seen_command reattach' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command reattach' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command down' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command down' -l control -r -d 'The control socket of gantry up, instead of the usual one'
complete -c gantry -n '__fish_gantry_seen_command down' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command down' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command repl' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command repl' -s e -l execute -r -d 'Run this instead of what is typed'
complete -c gantry -n '__fish_gantry_seen_command repl' -l engine -r -d 'The engine\'s address (unix:///path, tcp://host:port)'
complete -c gantry -n '__fish_gantry_seen_command repl' -l site -r -d 'The site policy, instead of $GANTRY_SITE or /etc/gantry/site.lua'
complete -c gantry -n '__fish_gantry_seen_command repl' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command repl' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command doctor' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command doctor' -l engine -r -d 'The engine\'s address (unix:///path, tcp://host:port)'
complete -c gantry -n '__fish_gantry_seen_command doctor' -l site -r -d 'The site policy, instead of $GANTRY_SITE or /etc/gantry/site.lua'
complete -c gantry -n '__fish_gantry_seen_command doctor' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command doctor' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command gc' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command gc' -s n -l dry-run -d 'Only say what would be removed'
complete -c gantry -n '__fish_gantry_seen_command gc' -s a -l all -d 'Also containers whose socket directory is in another runtime directory than this one'
complete -c gantry -n '__fish_gantry_seen_command gc' -l engine -r -d 'The engine\'s address (unix:///path, tcp://host:port)'
complete -c gantry -n '__fish_gantry_seen_command gc' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command gc' -s v -l verbose -d 'Say more of errors: code and cause'

complete -c gantry -n '__fish_gantry_seen_command version' -s h -l help -d 'Show this help message and exit'
complete -c gantry -n '__fish_gantry_seen_command version' -l json -d 'Print for programs'
complete -c gantry -n '__fish_gantry_seen_command version' -s v -l verbose -d 'Say more of errors: code and cause'

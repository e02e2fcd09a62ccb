_gantry() {
    local IFS=$' \t\n'
    local args cur prev cmd opts arg
    args=("${COMP_WORDS[@]}")
    cur="${COMP_WORDS[COMP_CWORD]}"
    prev="${COMP_WORDS[COMP_CWORD-1]}"
    opts="-h --help"

    args=("${args[@]:1}")
    for arg in "${args[@]}"; do
        case "$arg" in
            run)
                cmd="run"
                opts="$opts -h --help --name --engine --debug --site --json -v --verbose"
                break
                ;;
            init)
                cmd="init"
                opts="$opts -h --help --image --for --type --name --sha256 -o --output --engine --json -v --verbose"
                break
                ;;
            plan)
                cmd="plan"
                opts="$opts -h --help --name --engine --site --ctx --offline --json -v --verbose"
                break
                ;;
            call)
                cmd="call"
                opts="$opts -h --help --list --timeout --name --engine --site --json -v --verbose"
                break
                ;;
            check)
                cmd="check"
                opts="$opts -h --help --engine --site --ctx --json -v --verbose"
                break
                ;;
            test)
                cmd="test"
                opts="$opts -h --help --filter --coverage --junit --json -v --verbose"
                break
                ;;
            exec)
                cmd="exec"
                opts="$opts -h --help --json -v --verbose"
                break
                ;;
            host)
                cmd="host"
                opts="$opts -h --help --json -v --verbose"
                break
                ;;
            simulate)
                cmd="simulate"
                opts="$opts -h --help --uptime --exit --signal --oom --unhealthy --lost --start-failed --start-timeout --seed --engine --site --ctx --json -v --verbose"
                break
                ;;
            up)
                cmd="up"
                opts="$opts -h --help --engine --state --control --control-group --log-format --log-dir --site --json -v --verbose"
                break
                ;;
            ps)
                cmd="ps"
                opts="$opts -h --help --control --columns --sort --watch --json -v --verbose"
                break
                ;;
            start)
                cmd="start"
                opts="$opts -h --help --control --json -v --verbose"
                break
                ;;
            stop)
                cmd="stop"
                opts="$opts -h --help --control --json -v --verbose"
                break
                ;;
            restart)
                cmd="restart"
                opts="$opts -h --help --control --json -v --verbose"
                break
                ;;
            reload)
                cmd="reload"
                opts="$opts -h --help --control --json -v --verbose"
                break
                ;;
            logs)
                cmd="logs"
                opts="$opts -h --help --control -f --follow -n --lines --json -v --verbose"
                break
                ;;
            why)
                cmd="why"
                opts="$opts -h --help --control --json -v --verbose"
                break
                ;;
            events)
                cmd="events"
                opts="$opts -h --help --control --json -v --verbose"
                break
                ;;
            reattach)
                cmd="reattach"
                opts="$opts -h --help --format --provider --protocol --protocol-version --engine --json -v --verbose"
                break
                ;;
            down)
                cmd="down"
                opts="$opts -h --help --control --json -v --verbose"
                break
                ;;
            repl)
                cmd="repl"
                opts="$opts -h --help -e --execute --engine --site --json -v --verbose"
                break
                ;;
            doctor)
                cmd="doctor"
                opts="$opts -h --help --engine --site --json -v --verbose"
                break
                ;;
            gc)
                cmd="gc"
                opts="$opts -h --help -n --dry-run -a --all --engine --json -v --verbose"
                break
                ;;
            version)
                cmd="version"
                opts="$opts -h --help --json -v --verbose"
                break
                ;;
        esac
    done

    case "$cmd" in
        '')
            COMPREPLY=($(compgen -W "run init plan call check test exec host simulate up ps start stop restart reload logs why events reattach down repl doctor gc version" -- "$cur"))
            ;;
        'run')
            case "$prev" in
                --name)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --engine)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --site)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'init')
            case "$prev" in
                --image)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --for)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --type)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --name)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --sha256)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                -o|--output)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --engine)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'plan')
            case "$prev" in
                --name)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --engine)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --site)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --ctx)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'call')
            case "$prev" in
                --timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --name)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --engine)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --site)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'check')
            case "$prev" in
                --engine)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --site)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --ctx)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'test')
            case "$prev" in
                --filter)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --junit)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'simulate')
            case "$prev" in
                --uptime)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --exit)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --signal)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --oom)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --unhealthy)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --lost)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --start-failed)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --start-timeout)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --seed)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --engine)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --site)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --ctx)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'up')
            case "$prev" in
                --engine)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --state)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --control-group)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --log-format)
                    COMPREPLY=($(compgen -W "text json" -- "$cur"))
                    return 0
                    ;;
                --log-dir)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --site)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'ps')
            case "$prev" in
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --columns)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --sort)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'start')
            case "$prev" in
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'stop')
            case "$prev" in
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'restart')
            case "$prev" in
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'reload')
            case "$prev" in
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'logs')
            case "$prev" in
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                -n|--lines)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'why')
            case "$prev" in
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'events')
            case "$prev" in
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'reattach')
            case "$prev" in
                --format)
                    COMPREPLY=($(compgen -W "json terraform" -- "$cur"))
                    return 0
                    ;;
                --provider)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --protocol)
                    COMPREPLY=($(compgen -W "grpc netrpc" -- "$cur"))
                    return 0
                    ;;
                --protocol-version)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --engine)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'down')
            case "$prev" in
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'repl')
            case "$prev" in
                -e|--execute)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --engine)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --site)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'doctor')
            case "$prev" in
                --engine)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --site)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'gc')
            case "$prev" in
                --engine)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
    esac

    if [[ "$cur" = -* ]]; then
        COMPREPLY=($(compgen -W "$opts" -- "$cur"))
    fi
}

complete -F _gantry -o bashdefault -o default gantry

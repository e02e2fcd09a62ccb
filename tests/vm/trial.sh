#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# trial.sh: runs inside run.sh's machine, once a boot. Each case is a line of /root/out; what was printed on the way is
# in /root/log.
set -u
exec 3>>/root/out >>/root/log 2>&1
set -x
export LC_ALL=C.UTF-8 NO_COLOR=1

# check NAME COMMAND...: one case.
check() {
  local name=$1
  shift
  if "$@"; then echo "ok $name" >&3; else echo "not ok $name" >&3; fi
}

# why COMMAND...: whether it succeeds; what gantry has to say of its plugin goes to the log where it does not.
why() {
  "$@" && return 0
  gantry why kv
  as_user gantry why kv
  return 1
}

# as_user COMMAND...: in a service of the user's own, with what systemd delegates to it.
as_user() {
  timeout 120 runuser -u tester -- env XDG_RUNTIME_DIR=/run/user/1000 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus HOME=/home/tester \
    systemd-run --user --quiet --wait --pipe -p Delegate=yes "$@"
}

# undelegated COMMAND...: as the user, in a cgroup that is root's.
undelegated() { timeout 120 runuser -u tester -- env XDG_RUNTIME_DIR=/run/user/1000 HOME=/home/tester "$@"; }

# says TEXT COMMAND...: the command prints the text, whatever it ends with.
says() {
  local text=$1
  shift
  "$@" 2>&1 | tee -a /dev/stderr | grep -q -- "$text"
}

# policy FILE LINES...: a policy of the plugin with more fields.
policy() {
  local file=$1
  shift
  mkdir -p "${file%/*}"
  printf 'return {\n  binary = "/usr/local/bin/kv", disable_network = true, start_timeout = "60s",\n  cookie = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" },\n%s\n}\n' "$*" >"$file"
  chmod 644 "$file"
}

# until COMMAND...: as soon as it succeeds, for a minute and a half.
until_true() {
  local n
  for ((n = 0; n < 90; n++)); do
    "$@" && return 0
    sleep 1
  done
  return 1
}

# call NAME: one call of a supervised plugin.
call() { gantry call "$1" KV/Put '{"key": "a", "value": "YQ=="}'; }
# A plugin that runs is called while its supervisor is away; that lists it once it is back.
generation() {
  until_true gantry ps >&2
  gantry ps --json | lua5.4 -e 'local t = require("cjson").decode(io.read "a") print((t.plugins or t)[1].container)'
}

first_boot() {
  policy /srv/kv.lua
  policy /srv/limited.lua 'memory = "64MiB", pids_limit = 40, cpus = 0.5'
  policy /srv/bomb.lua 'memory = "48MiB", args = { "-allocate", "268435456" }'

  check "root: the engine is chosen by itself" says "No daemon: crun" gantry doctor
  check "root: a plugin is called" says '{}' gantry call /srv/kv.lua KV/Put '{"key": "a", "value": "YQ=="}'
  check "root: limits hold" says '{}' gantry call /srv/limited.lua KV/Put '{"key": "a", "value": "YQ=="}'
  check "root: memory that runs out is told" says 'out of memory' gantry run /srv/bomb.lua

  check "user: a plugin is called" says '{}' as_user gantry call /srv/kv.lua KV/Put '{"key": "a", "value": "YQ=="}'
  check "user: limits hold where they are delegated" says '{}' \
    as_user gantry call /srv/limited.lua KV/Put '{"key": "a", "value": "YQ=="}'
  check "user: memory that runs out is told" says 'out of memory' as_user gantry run /srv/bomb.lua
  check "user: limits that nobody delegated are refused" says 'Delegate=yes' undelegated gantry run /srv/limited.lua
  check "user: without limits nothing is needed" says '{}' \
    undelegated gantry call /srv/kv.lua KV/Put '{"key": "a", "value": "YQ=="}'

  policy /etc/gantry/policies/kv.lua 'memory = "64MiB"'
  check "the unit says when it is ready" systemctl enable --now gantry.service
  check "the unit's plugin is called" until_true call kv
  local before main
  before=$(generation)
  main=$(systemctl show -P MainPID gantry.service)
  kill -9 "$main"
  check "kill -9: the plugin is adopted" until_true call kv
  check "kill -9: it is the same container" why [ "$(generation)" = "$before" ]
  systemctl restart gantry.service
  check "restart: the plugin is adopted" until_true call kv
  check "restart: it is the same container" [ "$(generation)" = "$before" ]
  kill -STOP "$(systemctl show -P MainPID gantry.service)"
  sleep 45
  check "the watchdog notices what hangs" until_true call kv
  check "watchdog: it is the same container" [ "$(generation)" = "$before" ]
  check "PrivateTmp of a host" says '{}' systemd-run --quiet --wait --pipe -p PrivateTmp=yes \
    gantry call /srv/kv.lua KV/Put '{"key": "a", "value": "YQ=="}'
  systemctl stop gantry.service
  check "stop: the plugin runs on" pgrep -x plugin # as its binary is named in the container
  systemctl start gantry.service
  check "stop, start: it is the same container" [ "$(until_true call kv >&2; generation)" = "$before" ]

  mkdir -p /home/tester/policies /home/tester/.config/systemd/user
  policy /home/tester/policies/kv.lua 'memory = "64MiB"'
  chown -R tester: /home/tester
  sed 's,/etc/gantry/policies,%h/policies,; /^\(Wants\|After\)=/d; s/multi-user/default/' /usr/lib/systemd/system/gantry.service \
    >/home/tester/.config/systemd/user/gantry.service
  check "the user's unit says when it is ready" as_user systemctl --user enable --now gantry.service
  check "the user's unit's plugin is called" why until_true as_user gantry call kv KV/Put '{"key": "a", "value": "YQ=="}'
}

second_boot() {
  check "reboot: the plugin runs anew" until_true call kv
  check "reboot: the user's plugin runs anew" \
    until_true as_user gantry call kv KV/Put '{"key": "a", "value": "YQ=="}'
  check "gc finds nothing left" [ -z "$(gantry gc)" ]
  check "down ends it" gantry down
  systemctl disable --now gantry.service
  echo "end of the trial" >&3
}

if [ ! -e /root/booted ]; then
  touch /root/booted
  first_boot
  sync
  systemctl reboot
else
  second_boot
  journalctl -b -n 200 --no-pager -u gantry.service
  sync
  systemctl poweroff
fi

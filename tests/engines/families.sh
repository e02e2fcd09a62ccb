#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# families.sh FAMILY RESULTS WORK FETCHED: what run.sh runs inside its namespaces: brings up the engines of a family,
# one after the other, and runs the suite on each.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
family=$1
results=$2
work=$3
engines=$work/engines
mount --bind "$4" "$engines" # by a short path that every user may read
# shellcheck source=tests/engines/engines.sh
. "$repository/tests/engines/engines.sh"
# shellcheck source=tests/engines/oci.sh
. "$repository/tests/engines/oci.sh"

# note ENGINE CASE OUTCOME REASON
note() { printf '%s\t%s\t%s\t%s\n' "$@" >>"$results"; }

skip_engine() {
  say "$1 is skipped: $2"
  note "$1" '*' skipped "$2"
}

# fetched NAME: whether fetch.sh could get it; prints why not.
fetched() {
  [ ! -e "$engines/$1.done" ] || return 0
  cat "$engines/$1.missing" 2>/dev/null || echo "fetch.sh has not run"
  return 1
}

failed=
# suite ENGINE ADDRESS VARIABLE...: runs the suite, what is made ahead, and what holds its client to gantry's interface, with further
# variables for them.
suite() {
  local engine=$1 address=$2 file
  shift 2
  say "suite on $engine at $address"
  for file in suite_spec.lua warm_spec.lua conformance_spec.lua; do
    run_specs $file "DOCKER_HOST=$address" "GANTRY_MATRIX_ENGINE=$engine" "$@" || failed=1
  done
}

# run_specs FILE VARIABLE...: as the user of $as, if that is set.
run_specs() {
  local file=$1
  shift
  "${as[@]}" env HOME=/invalid TMPDIR="$temporary" GANTRY_MATRIX_RESULTS="$results" \
    GANTRY_MATRIX_MEMLOCK="$(ulimit -l)" GANTRY="$GANTRY" GANTRY_SOURCE="$GANTRY_SOURCE" LUA_PATH="$LUA_PATH" \
    LUA_CPATH="$LUA_CPATH" GANTRY_CACHE="${GANTRY_CACHE:-$cache}" "$@" \
    busted --lua=lua5.4 --output=gtest "$repository/tests/engines/$file"
}
as=()
temporary=$work

version() { api "$1" /version | jq -r .Version; }

gvisor_runtimes() { # gvisor_runtimes FURTHER_FLAG...
  local older=$engines/tools/usr/bin/runsc newer=$engines/docker26/usr/bin/runsc flags
  flags=$(printf '"%s", ' --platform=ptrace "$@")
  cat <<JSON
{ "runtimes": {
  "runsc":        { "path": "$older", "runtimeArgs": [$flags "--network=none", "--host-uds=all"] },
  "runsc-newer":  { "path": "$newer", "runtimeArgs": [$flags "--network=none", "--host-uds=create"] },
  "runsc-closed": { "path": "$older", "runtimeArgs": [$flags "--network=host"] } } }
JSON
}

second_docker() { # second_docker NAME FLAG...: the installed dockerd once more, with gVisor's runtimes
  local name=$1
  shift
  mkdir -p "$work/$name"
  gvisor_runtimes >"$work/$name/daemon.json"
  docker_up "$name" '' "$@"
}

docker() {
  local socket=$work/docker/docker.sock reason
  reason=$(second_docker docker) || { skip_engine docker "$reason"; return; }
  load "$socket"
  suite "docker $(version "$socket")" "unix://$socket"
}

gvisor() {
  local socket=$work/gvisor/docker.sock reason engine
  reason=$(fetched tools) || { skip_engine gvisor "$reason"; return; }
  reason=$(second_docker gvisor) || { skip_engine gvisor "$reason"; return; }
  load "$socket"
  engine="docker $(version "$socket") runsc"
  suite "$engine" "unix://$socket" GANTRY_MATRIX_RUNTIME=runsc
  suite "$engine no host-uds" "unix://$socket" GANTRY_MATRIX_RUNTIME=runsc-closed
  reason=$(fetched docker26) || { skip_engine "$engine 2024 create" "$reason"; return; }
  suite "$engine 2024 create" "unix://$socket" GANTRY_MATRIX_RUNTIME=runsc-newer
}

tcp() {
  local reason
  certificates "$work/tls"
  if reason=$(second_docker tcp -H tcp://127.0.0.1:23750); then
    load "$work/tcp/docker.sock"
    suite "docker $(version "$work/tcp/docker.sock") tcp" tcp://127.0.0.1:23750
    down tcp
  else
    skip_engine "docker tcp" "$reason"
  fi
  if reason=$(second_docker tls -H tcp://127.0.0.1:23760 --tlsverify --tlscacert "$work/tls/ca.pem" \
    --tlscert "$work/tls/server-cert.pem" --tlskey "$work/tls/server-key.pem"); then
    load "$work/tls/docker.sock"
    suite "docker $(version "$work/tls/docker.sock") tls" tcp://127.0.0.1:23760 "DOCKER_CERT_PATH=$work/tls" \
      DOCKER_TLS_VERIFY=1
  else
    skip_engine "docker tls" "$reason"
  fi
}

# What systemd makes for a login, and what is there for cron jobs of the user too.
user_runtime() {
  mkdir "$work/run"
  mount -t tmpfs -o mode=755 gantry-run "$work/run"
  mkdir "$work/run/upper" "$work/run/work"
  mount -t overlay -o "lowerdir=/run,upperdir=$work/run/upper,workdir=$work/run/work" gantry-run /run
  mkdir -p /run/user/64999
  mount --bind "$work/rootless/run" /run/user/64999
}

rootless() {
  local socket=$work/rootless/run/docker.sock reason engine
  reason=$(fetched tools) || { skip_engine "docker rootless" "$reason"; return; }
  make_rootless_user
  echo "$rootless_user:2000000:65536" | tee -a /etc/subuid >>/etc/subgid
  user_runtime
  gvisor_runtimes --ignore-cgroups >"$work/rootless/daemon.json"
  reason=$(rootless_up rootless) || { skip_engine "docker rootless" "$reason"; return; }
  load "$socket"
  install -d -o 64999 -g 64998 -m 700 "$work/rootless/tmp"
  chmod 666 "$results"
  as=(as_user)
  temporary=$work/rootless/tmp
  engine="docker $(api "$socket" /info | jq -r .ServerVersion) rootless"
  suite "$engine" "unix://$socket"
  suite "$engine runsc" "unix://$socket" GANTRY_MATRIX_RUNTIME=runsc
  reason=$(fetched docker26) || { skip_engine "$engine runsc 2024 create" "$reason"; return; }
  suite "$engine runsc 2024 create" "unix://$socket" GANTRY_MATRIX_RUNTIME=runsc-newer
}

userns() { # users of its containers are others of this machine; once as root, once as a user who may use the engine
  local socket=$work/userns/docker.sock reason engine
  echo 'dockremap:x:64997:64997::/:/bin/false' >>/etc/passwd
  echo 'dockremap:x:64997:' >>/etc/group
  echo 'dockremap:3000000:65536' | tee -a /etc/subuid >>/etc/subgid
  make_rootless_user
  reason=$(second_docker userns --userns-remap=default) || { skip_engine "docker userns-remap" "$reason"; return; }
  load "$socket"
  engine="docker $(version "$socket") userns-remap"
  suite "$engine" "unix://$socket"
  install -d -o 64999 -g 64998 -m 700 "$work/rootless/tmp"
  chmod 711 "$work/userns"
  chmod 666 "$results" "$socket"
  as=(as_user)
  temporary=$work/rootless/tmp
  suite "$engine, a user" "unix://$socket"
}

newer_docker() { # newer_docker NAME FOLDER LABEL FLAG...
  local name=$1 folder=$2 label=$3 reason
  shift 3
  reason=$(fetched "$folder") || { skip_engine "$folder$label" "$reason"; return; }
  reason=$(docker_up "$name" "$folder" "$@") || { skip_engine "$folder$label" "$reason"; return; }
  load "$work/$name/docker.sock"
  suite "docker $(version "$work/$name/docker.sock")$label" "unix://$work/$name/docker.sock"
}

containerd_store() { # the image store that is 29's default
  mkdir -p "$work/containerd"
  echo '{ "features": { "containerd-snapshotter": true } }' >"$work/containerd/daemon.json"
  newer_docker containerd docker28 ' containerd store' --storage-driver overlayfs
}

podman() {
  local folder=$1 socket=$work/$1/podman.sock reason
  reason=$(fetched "$folder") || { skip_engine "$folder" "$reason"; return; }
  reason=$(podman_up "$folder" "$folder") || { skip_engine "$folder" "$reason"; return; }
  load "$socket"
  suite "podman $(version "$socket")" "unix://$socket"
}

restart() { # an engine that is killed, restarted, or hangs, under plugins that run on
  local reason
  reason=$(second_docker restart --live-restore) || { skip_engine "docker restarted" "$reason"; return; }
  load "$work/restart/docker.sock"
  run_specs restart_spec.lua "DOCKER_HOST=unix://$work/restart/docker.sock" \
    "GANTRY_MATRIX_ENGINE=docker $(version "$work/restart/docker.sock") restarted" \
    "GANTRY_MATRIX_ENGINE_FILES=$work/restart" || failed=1
  run_specs ../engine/exec_kill_spec.lua "DOCKER_HOST=unix://$work/restart/docker.sock" \
    "GANTRY_MATRIX_ENGINE=docker $(version "$work/restart/docker.sock") restarted" \
    "GANTRY_MATRIX_ENGINE_FILES=$work/restart" || failed=1
}

# The mounts and the network of this namespace: what engines share by fixed names is not the machine's.
private_machine() {
  ip link set lo up
  mount -t tmpfs -o mode=1777 gantry-shm /dev/shm # podman's locks
  mount -t tmpfs -o mode=755 gantry-etc "$work/etc"
  mkdir "$work/etc/upper" "$work/etc/work"
  mount -t overlay -o "lowerdir=/etc,upperdir=$work/etc/upper,workdir=$work/etc/work" gantry-etc /etc
  mkdir -p /etc/containers
  echo '{ "default": [ { "type": "insecureAcceptAnything" } ] }' >/etc/containers/policy.json
}

down_all() {
  local file
  for file in "$work"/*.pid; do
    [ ! -e "$file" ] || down "$(basename "$file" .pid)"
  done
}

private_machine
ulimit -l unlimited 2>/dev/null || true # for plugins that lock memory in user namespaces, where it may be raised
trap down_all EXIT
case $family in
  docker) docker ;;
  gvisor) gvisor ;;
  tcp) tcp ;;
  rootless) rootless ;;
  userns) userns ;;
  docker26) newer_docker docker26 docker26 '' ;;
  # Refuses old clients, as 29.0 does.
  docker28) DOCKER_MIN_API_VERSION=1.44 newer_docker docker28 docker28 ' min API 1.44' ;;
  containerd) containerd_store ;;
  podman4 | podman5) podman "$family" ;;
  restart) restart ;;
  oci_crun | oci_runc | oci_runsc | oci_crun13 | oci_runc13) oci_columns "${family#oci_}" ;;
  *) die "no family '$family' of engines" ;;
esac
[ -z "$failed" ] || die "cases failed on the engines of $family"

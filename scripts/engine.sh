# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# engine.sh: a container engine that answers, for the two commands and the tests; brings common.sh along. Sourced.
#
# An engine that runs is used as it is, never configured, restarted or cleaned. One is started only where none answers
# and DOCKER_HOST names none.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

engine_socket=/var/run/docker.sock
engine_pid= # the dockerd that this command started itself, if any

# engine PATH [CURL_ARGUMENT...]: asks the engine at DOCKER_HOST.
engine() {
  local host=${DOCKER_HOST:-unix:///var/run/docker.sock} path=$1
  local certificates=${DOCKER_CERT_PATH:-$HOME/.docker}
  shift
  case $host in
    unix://*) curl -sS --unix-socket "${host#unix://}" "$@" "http://engine$path" ;;
    tcp://*)
      if [ -n "${DOCKER_TLS_VERIFY:-}" ]; then
        curl -sS --cacert "$certificates/ca.pem" --cert "$certificates/cert.pem" --key "$certificates/key.pem" \
          "$@" "https://${host#tcp://}$path"
      else
        curl -sS "$@" "http://${host#tcp://}$path"
      fi
      ;;
    *) return 2 ;;
  esac
}

engine_answers() { [ "$(engine /_ping --max-time 20 2>/dev/null)" = OK ]; }

docker_did_not_start() { die "Docker did not start ($cache/dockerd.log): $(tail -n 1 "$cache/dockerd.log")"; }

# Has a daemon begin: by the system's service manager where there is one, else dockerd itself, with its log in .cache.
begin_docker() {
  local attempt
  say "starting Docker"
  if [ -d /run/systemd/system ]; then
    logged dockerd "${sudo[@]}" systemctl start docker
  else
    "${sudo[@]}" true # asks for a password while it can
    setsid "${sudo[@]}" dockerd >"$cache/dockerd.log" 2>&1 </dev/null &
    engine_pid=$!
  fi
  for ((attempt = 0; attempt < 20; attempt++)); do
    "${sudo[@]}" curl -s --retry 3 --retry-delay 1 --retry-all-errors --unix-socket "$engine_socket" \
      http://engine/_ping >/dev/null 2>&1 && return
    [ -z "$engine_pid" ] || [ -d "/proc/$engine_pid" ] || docker_did_not_start
  done
  docker_did_not_start
}

refuse_without_permission() {
  [ ! -S "$engine_socket" ] || [ -w "$engine_socket" ] ||
    die "permission denied on $engine_socket; join its group and log in again:" \
      "sudo usermod -aG $(stat -c %G "$engine_socket") $(id -un)"
}

# Whether an engine answers; leaves DOCKER_HOST set where that is not the default one.
find_engine() {
  local socket user_directory=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
  if [ -n "${DOCKER_HOST:-}" ]; then
    engine_answers
    return
  fi
  for socket in "$engine_socket" "$user_directory"/{docker,podman/podman}.sock /run/podman/podman.sock; do
    if [ -S "$socket" ] && DOCKER_HOST=unix://$socket engine_answers; then
      [ "$socket" = "$engine_socket" ] || export DOCKER_HOST=unix://$socket
      return 0
    fi
  done
  return 1
}

# Leaves an engine that answers, as find_engine does.
need_engine() {
  find_engine && return
  [ -z "${DOCKER_HOST:-}" ] || die "no engine answers at DOCKER_HOST=$DOCKER_HOST; start it, or unset DOCKER_HOST"
  refuse_without_permission
  may_be_root || die "no engine answers; as root, run: apt-get install docker.io && systemctl start docker"
  install_packages docker.io
  begin_docker
  refuse_without_permission
}

# Ends the daemon that this command started; any other stays.
stop_engine() { [ -z "$engine_pid" ] || { "${sudo[@]}" kill "$engine_pid" && wait "$engine_pid"; } || true; }

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# engines.sh: brings engines up and down. Sourced by run.sh within its namespaces: whatever is started here ends with
# them, mounts too, and the machine's own engine and network are not touched. $work is a short path, $engines the folder
# that fetch.sh filled.
work=${work:?} engines=${engines:?}

# api SOCKET PATH [CURL_ARGUMENT...]
api() {
  local socket=$1 path=$2
  shift 2
  curl -sS --max-time 120 --unix-socket "$socket" "$@" "http://engine$path"
}

# up NAME SOCKET COMMAND...: starts an engine and returns once it answers; else prints why not. Its log is
# $work/NAME.log, its process $work/NAME.pid.
up() {
  local name=$1 socket=$2 attempt
  shift 2
  printf '%q ' "$@" >"$work/$name.command"
  setsid "$@" >>"$work/$name.log" 2>&1 </dev/null &
  echo $! >"$work/$name.pid"
  for ((attempt = 0; attempt < 1200; attempt++)); do
    [ "$(api "$socket" /_ping 2>/dev/null)" != OK ] || return 0
    kill -0 "$(cat "$work/$name.pid")" 2>/dev/null || break
    sleep .05
  done
  echo "$name did not start: $(grep -vE '^$|level=(info|debug)' "$work/$name.log" | tail -n 1)"
  return 1
}

# down NAME: TERM, then KILL after 30 s.
down() {
  local pid attempt
  pid=$(cat "$work/$1.pid" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || return 0
  for ((attempt = 0; attempt < 300; attempt++)); do
    [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null || return 0
    sleep .1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

# docker_up NAME FOLDER FLAG...: a rootful dockerd of what fetch.sh unpacked to FOLDER; the installed one where empty.
docker_up() {
  local name=$1 folder=${2:+$engines/$2} own=$work/$1
  shift 2
  mkdir -p "$own"
  [ -e "$own/daemon.json" ] || echo '{}' >"$own/daemon.json" # without one, the machine's own is read
  up "$name" "$own/docker.sock" env PATH="${folder:+$folder/usr/sbin:$folder/usr/bin:}$PATH" \
    dockerd --config-file "$own/daemon.json" --data-root "$own/data" --exec-root "$own/exec" \
    --pidfile "$own/docker.pid" -H "unix://$own/docker.sock" --bridge none --iptables=false --ip-forward=false \
    --cgroup-parent "/${work##*/}" "$@"
}

# make_rootless_user: the user that rootless engines run as, in this namespace's own /etc.
rootless_user=gantry-rootless
make_rootless_user() {
  echo "$rootless_user:x:64999:64998::$work/rootless:/bin/sh" >>/etc/passwd
  echo "$rootless_user:x:64998:" >>/etc/group
  install -d -o 64999 -g 64998 -m 700 "$work/rootless" "$work/rootless/run"
}

# as_user COMMAND...: with nothing of the caller's environment.
as_user() {
  setpriv --reuid 64999 --regid 64998 --clear-groups env -i HOME="$work/rootless" XDG_RUNTIME_DIR="$work/rootless/run" \
    PATH="$engines/tools/usr/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$@"
}

# rootless_up NAME FLAG...: the installed dockerd as the rootless user, with its socket at $work/rootless/run.
rootless_up() {
  local name=$1 own=$work/rootless
  shift
  # What was copied of /run is the machine's own engine's, and not this user's to use.
  # shellcheck disable=SC2016 # expanded by the inner shell
  up "$name" "$own/run/docker.sock" setpriv --reuid 64999 --regid 64998 --clear-groups env -i HOME="$own" \
    XDG_RUNTIME_DIR="$own/run" PATH="$engines/tools/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    rootlesskit --net=host --copy-up=/etc --copy-up=/run --state-dir="$own/run/rootlesskit" \
    sh -c 'rm -f /run/docker /run/containerd /run/xtables.lock; exec "$@"' - \
    dockerd --rootless --config-file "$own/daemon.json" --data-root "$own/data" --exec-root "$own/run/docker" \
    --pidfile "$own/run/docker.pid" -H "unix://$own/run/docker.sock" --storage-driver vfs --bridge=none \
    --iptables=false "$@"
}

# podman_up NAME FOLDER: the service of a podman that fetch.sh unpacked, with runc, since crun may not know this
# machine's cgroups. Equal soft and hard limits: some versions swap the two.
podman_up() {
  local name=$1 folder=$engines/$2 own=$work/$1
  mkdir -p "$own"
  printf '%s\n' '[containers]' 'default_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]' \
    '[engine]' "conmon_path = [\"$folder/bin/conmon\"]" "helper_binaries_dir = [\"$folder/bin\"]" \
    '[engine.runtimes]' "runc = [\"$folder/bin/runc\"]" >"$own/containers.conf"
  : >"$own/registries.conf"
  # conmon leaves a file where it was started, when memory ran out.
  up "$name" "$own/podman.sock" env --chdir="$own" CONTAINERS_CONF="$own/containers.conf" \
    CONTAINERS_REGISTRIES_CONF="$own/registries.conf" \
    "$folder/bin/podman" --root "$own/root" --runroot "$own/run" --tmpdir "$own/tmp" --storage-driver vfs \
    --runtime runc system service --time 0 "unix://$own/podman.sock"
}

# load SOCKET: the plugins' images, the same in every engine. An engine that cannot have them fails the test.
load() {
  api "$1" /images/load -H 'Content-Type: application/x-tar' -H 'Expect:' --data-binary "@$engines/images.tar" \
    >"$work/load.log" || die "the plugins' images were not sent"
  api "$1" /images/gantry-test-kv:latest/json -f -o /dev/null || die "the plugins' images were not loaded"
}

# certificates FOLDER: a CA, an engine's certificate and a client's, named as in a DOCKER_CERT_PATH.
certificates() {
  mkdir -p "$1"
  (
    cd "$1" || return
    new=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
    openssl req -x509 "${new[@]}" -days 2 -subj /CN=test-ca -keyout ca-key.pem -out ca.pem
    sign() { # sign NAME EXTENSIONS KEY CERTIFICATE
      openssl req "${new[@]}" -subj "/CN=$1" -keyout "$3" -out "$1.csr"
      openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -out "$4" \
        -extfile <(printf '%b' "$2")
    }
    sign engine 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n' server-key.pem \
      server-cert.pem
    sign client 'extendedKeyUsage=clientAuth\n' key.pem cert.pem
  ) >"$work/certificates.log" 2>&1
}

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh BUILD: what `gantry export kube` prints, in a cluster of one node, admitted under Pod Security "restricted", with
# unmodified hosts and plugins: their calls, with AutoMTLS and without, two at once, in a full folder, a sidecar that is
# killed, one that is told to end, a plugin over its memory, the pod's end. 77 where that cannot be here.
set -euo pipefail
# shellcheck source=tests/kube/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
build=$(realpath "$1")
folder='' unshared='' log=''

clean_up() {
  local group
  [ -z "$unshared" ] || kill -9 "$unshared" 2>/dev/null || true
  [ -z "$unshared" ] || wait "$unshared" 2>/dev/null || true
  for group in /sys/fs/cgroup/*/gantry-test-kube; do
    [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
  [ -z "$folder" ] || rm -rf "$folder"
}

# ---- images: the layers and names of `docker save`, of which containerd reads them ----

images=()

# image NAME ROOT ENTRYPOINT...
image() {
  local name=$1 root=$2 layer config entry
  shift 2
  entry=$(printf '"%s",' "$@")
  tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner -cf "$folder/save/$name.tar" .
  layer=$(sha256sum <"$folder/save/$name.tar")
  config='{"architecture":"'$(dpkg --print-architecture)'","os":"linux","config":{"Entrypoint":['${entry%,}']},'
  printf '%s"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$config" "${layer%% *}" >"$folder/save/$name.json"
  images+=("{\"Config\":\"$name.json\",\"RepoTags\":[\"$name:1\"],\"Layers\":[\"$name.tar\"]}")
}

# plugin_image NAME BINARY
plugin_image() {
  mkdir -p "$folder/$1"
  install -m 755 "$2" "$folder/$1/kv"
  image "$1" "$folder/$1" /kv
}

# with_libraries ROOT FILE...: what the programs and modules of this machine need to start.
with_libraries() {
  local root=$1 library
  shift
  { ldd "$@" 2>/dev/null || true; } | grep '^[[:space:]]' | grep -o '/[^ ]*\.so[^ ]*' | sort -u | while read -r library; do
    [ "${library#"$build"}" = "$library" ] || continue
    mkdir -p "$root${library%/*}"
    cp -nL "$library" "$root$library"
  done
}

# The host's image: gantry as it is installed, hosts, policies as their plugins.
host_image() {
  local root=$folder/host lua name
  lua=usr/lib/$(gcc -print-multiarch)/lua/5.4
  mkdir -p "$root"/{bin,usr/bin,usr/share/lua/5.4,"$lua",plugins,tmp}
  DESTDIR=$root cmake --install "$build" --prefix /usr >/dev/null
  cp -L /usr/bin/env "$root/usr/bin/"
  cp -L /usr/share/lua/5.4/argparse.lua "$root/usr/share/lua/5.4/"
  cp -L "/$lua/cjson.so" "$root/$lua/"
  cp -L "$(command -v busybox)" "$root/bin/busybox"
  for name in sh sleep mkfifo dd rm; do ln -s busybox "$root/bin/$name"; done
  with_libraries "$root" /usr/bin/env "$build/gantry" "/$lua/cjson.so" "$build"/lib/gantry/*.so "$(command -v busybox)"
  cp -L "$cache/hosts/example-grpc" "$root/bin/host-grpc"
  cp -L "$cache/hosts/hold" "$root/bin/hold"
  install -m 755 "$here/host.sh" "$root/host.sh"
  image gantry-test-host "$root" /bin/sh /host.sh
}

# policy NAME FIELDS
policy() {
  local cookie='{ "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" }'
  printf '#!/usr/bin/env -S gantry exec\nreturn { %s entrypoint = { "/kv" }, disable_network = true, cookie = %s }\n' \
    "$2" "$cookie" >"$folder/policies/$1"
}

make_images() {
  mkdir -p "$folder"/{save,policies,pause}
  gcc -O2 -static -o "$folder/pause/pause" "$here/pause.c"
  image gantry-test-pause "$folder/pause" /pause
  policy grpc 'image = "gantry-test-grpc:1", memory = "64MiB", cpus = 0.5, working_dir = "/gantry/plugins/grpc",'
  policy kv 'image = "gantry-test-kv:1", memory = "64MiB", stop_timeout = "2s",'
  policy greedy 'image = "gantry-test-kv:1", memory = "64MiB", args = { "-allocate", "300000000" },'
  plugin_image gantry-test-grpc "$cache/hosts/example-grpc-plugin-go-grpc"
  plugin_image gantry-test-kv "$cache/kv/kv-1.8"
  host_image
  (IFS=, && printf '[%s]' "${images[*]}") >"$folder/save/manifest.json"
  tar -C "$folder/save" -cf "$folder/images.tar" .
}

# ---- the node ----

start_node() {
  local controller
  for controller in /sys/fs/cgroup/*/; do mkdir -p "$controller/gantry-test-kube" 2>/dev/null || true; done
  setsid unshare -mnp --fork --mount-proc --kill-child bash "$here/node.sh" "$folder" \
    >"$folder/node.log" 2>&1 </dev/null &
  unshared=$!
  until [ -e "$folder/ready" ]; do
    [ -d "/proc/$unshared" ] || die "the node did not start: $(tail -n 3 "$folder/node.log")"
    sleep 0.1
  done
  node=$(pgrep -P "$unshared" | head -n 1)
}

inside() { nsenter -t "$node" -m -n -p "$@"; }

kubectl() { inside env HOME="$folder" "$kube/kubectl" "${server[@]}" "$@"; }

# The manifest, with what a scheduler would add.
start_pod() {
  namespace plugins restricted
  "$build/gantry" export kube "$folder"/policies/* --host-image gantry-test-host:1 --plugins /plugins --json |
    jq '.items |= map(if .kind == "Pod" then .spec.nodeName = "node1" else . end)' >"$folder/manifest.json"
  kubectl apply -n plugins --server-side --validate=strict -f "$folder/manifest.json"
}

# What the host's container wrote.
host_log() { inside curl -sk "https://10.77.0.1:10250/containerLogs/plugins/host/host"; }

# await TEXT: until the host has written it; $log is what it has written then.
await() {
  local attempt
  for ((attempt = 0; attempt < 900; attempt++)); do
    log=$(host_log 2>/dev/null || true)
    [ "${log#*"$1"}" = "$log" ] || return 0
    sleep 0.2
  done
  tail -n 40 <<<"$log"
  inside curl -sk https://10.77.0.1:10250/pods | cut -c 1-4000
  tail -n 20 "$folder/kubelet.log"
  die "the host never came to '$1'"
}

# expect TEXT: that the host has written it.
expect() {
  [ "${log#*"$1"}" = "$log" ] || return 0
  tail -n 60 <<<"$log"
  die "the host's log lacks: $1"
}

# await_restart CONTAINER COUNT: until kubelet tells that it has started it again.
await_restart() {
  local attempt count
  for ((attempt = 0; attempt < 300; attempt++)); do
    count=$(inside curl -sk https://10.77.0.1:10250/pods |
      jq --arg name "$1" '.items[].status.initContainerStatuses[]? | select(.name == $name).restartCount')
    [ "${count:-0}" != "$2" ] || return 0
    sleep 0.2
  done
  die "kubelet did not start the sidecar '$1' again"
}

# await_nothing: until none of the pod's containers is left.
await_nothing() {
  local attempt
  for ((attempt = 0; attempt < 300; attempt++)); do
    [ -n "$(inside ctr -a "$folder/c.sock" -n k8s.io tasks ls -q)" ] || return 0
    sleep 0.2
  done
  inside ctr -a "$folder/c.sock" -n k8s.io tasks ls
  die "kubelet did not end the pod"
}

# signal_gate NAME: to the first process of the sidecar kv.
signal_gate() { inside pkill "-$1" -f '^/gantry/bin/gantry-gate .*kv/kv.gate'; }

# ---- the test ----

[ "$(id -u)" = 0 ] || skip "a node has to be root's"
[ "${GANTRY_FULL_WALK:-}" != 1 ] || install_packages containernetworking-plugins iproute2
need containerd runc ctr busybox curl ip jq openssl
[ -x /usr/lib/cni/ptp ] || skip "needs containernetworking-plugins"
[ -x "$cache/hosts/hold" ] || skip "go-plugin's hosts were not built: they need a newer Go"
"$here/build.sh" || exit $?

folder=$(mktemp -d "${TMPDIR:-/tmp}/gantry-kube.XXXXXX")
chmod 755 "$folder"
trap clean_up EXIT
make_images
start_node
start_pod
await 'done: calls'
expect 'pod'
expect 'Written from plugin-go-grpc'
expect 'rc of grpc: 0'
expect 'rc of mtls: 0'
expect 'rc of greedy: 1'
expect 'the memory of its container ran out'
expect 'exit status 137'
expect 'network: no'
expect 'full: 1'
expect 'rc of full: 0'
expect 'rc of two: 0 0'
# As an out-of-memory kill of the gate itself would: kubelet starts the sidecar again, and the host finds it.
signal_gate KILL
await 'done: restarted'
expect 'rc of held: 1'
expect 'rc of restarted: 0'
await_restart kv 1
# As kubelet ends a sidecar: before the host, where a node runs out of something.
signal_gate TERM
await 'done: ended'
expect 'rc of ended: 1'
expect 'rc of again: 0'
await_restart kv 2
kubectl delete pod host -n plugins --wait=false
await_nothing
say "passed on kubelet $(cat "$kube/made-of")"

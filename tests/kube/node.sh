#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# node.sh FOLDER: a cluster of one node, in mount, network and process namespaces of its own: etcd, API server,
# containerd and kubelet, and no scheduler or controller. It ends with the process that unshare made, and leaves nothing
# but a control group. FOLDER/ready is there once kubelet has begun.
set -eu
# shellcheck source=tests/kube/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
folder=$1
cd "$folder"

ip link set lo up
ip link add eth0 type veth peer name eth1
ip link set eth1 up
ip addr add 10.77.0.1/24 dev eth0
ip link set eth0 up
ip route add default via 10.77.0.254

# What kubelet and containerd would write into this machine.
mount --make-rprivate /
mkdir -p /var/lib/cni /var/lib/kubelet /run/containerd
for path in /var/log /var/lib/cni /var/lib/kubelet /run/containerd; do mount -t tmpfs none $path; done
for setting in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1; do
  file=sysctl.${setting##*/}
  echo "${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done

cat >containerd.toml <<TOML
version = 2
root = "$folder/containerd/root"
state = "$folder/containerd/state"
[grpc]
  address = "$folder/c.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "gantry-test-pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$folder/cni"
TOML
mkdir -p cni
cat >cni/10-p.conflist <<JSON
{"cniVersion":"0.4.0","name":"p","plugins":[{"type":"ptp","ipam":{"type":"host-local","subnet":"10.88.77.0/24",
"dataDir":"$folder/ipam"}}]}
JSON
cat >kubelet.yaml <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: { anonymous: { enabled: true }, webhook: { enabled: false } }
authorization: { mode: AlwaysAllow }
port: 10250
healthzPort: 0
containerRuntimeEndpoint: unix://$folder/c.sock
cgroupDriver: cgroupfs
cgroupRoot: /gantry-test-kube
enforceNodeAllocatable: []
makeIPTablesUtilChains: false
failSwapOn: false
oomScoreAdj: 0
evictionHard: { nodefs.available: "1%", imagefs.available: "1%", memory.available: "50Mi" }
imageGCHighThresholdPercent: 100
syncFrequency: 1s
YAML

cat >kubeconfig <<YAML
apiVersion: v1
kind: Config
clusters: [{ name: test, cluster: { server: "https://10.77.0.1:6443", insecure-skip-tls-verify: true } }]
users: [{ name: test, user: { token: test } }]
contexts: [{ name: test, context: { cluster: test, user: test } }]
current-context: test
YAML

start_server "$folder"
containerd -c containerd.toml >containerd.log 2>&1 &
until ctr -a c.sock version >/dev/null 2>&1; do sleep 0.05; done
ctr -a c.sock -n k8s.io images import images.tar >import.log 2>&1
"$kube/kubelet" --config kubelet.yaml --kubeconfig kubeconfig --root-dir "$folder/kubelet" --cert-dir "$folder/kubelet/pki" \
  --hostname-override node1 --node-ip 10.77.0.1 >kubelet.log 2>&1 &
touch ready
wait

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# api.sh BUILD: what `gantry export kube` prints, given to a real API server: a pod by server-side apply, strictly, in a
# namespace that enforces Pod Security "restricted"; patches by strategic merge and by Kustomize; and what the server
# refuses, which shows that it looks. 77 where that cannot be here.
#
# It runs itself again in namespaces of its own, where servers may have any port and end with it.
set -euo pipefail
# shellcheck source=tests/kube/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
build=$(realpath "$1")
folder=${2:-}

kubectl() { HOME=$folder "$kube/kubectl" "${server[@]}" "$@"; }

# ---- what is expected ----

# same WHAT HAVE WANT
same() {
  [ "$2" = "$3" ] || die "$1: '$2' instead of '$3'"
  say "ok: $1"
}

# admits NAMESPACE [OPTION...]: takes the manifest on standard input, and has nothing to say of it.
admits() {
  local namespace=$1
  shift
  kubectl apply -n "$namespace" --server-side --validate=strict "$@" -f - >applied 2>&1 ||
    die "refused in '$namespace': $(cat applied)"
  ! grep -q '^Warning' applied || die "$(cat applied)"
}

# refuses NAMESPACE TEXT: does not take it, with this word of why.
refuses() {
  ! kubectl apply -n "$1" --server-side --validate=strict -f - >applied 2>&1 || die "not refused: $2"
  grep -qF "$2" applied || die "refused otherwise than with '$2': $(cat applied)"
  say "ok: refused: $2"
}

# policy NAME FIELDS
policy() {
  printf 'return { image = "registry.example/%s:1.0", entrypoint = { "/%s" }, %s }\n' "$1" "$1" "$2" >"$folder/$1.lua"
}

export_kube() { "$build/gantry" export kube "$@" 2>warnings || die "$(cat warnings)"; }

# containers KIND/NAME NAMESPACE: what starts, in order.
containers() {
  kubectl get "$1" -n "$2" -o json | jq -r '(.spec.template.spec // .spec) |
    [(.initContainers[] | .name + (if .restartPolicy then "*" else "" end)), .containers[].name] | join(" ")'
}

# ---- a pod ----

try_pod() {
  local fields version
  policy kv 'memory = "64MiB", cpus = 0.5, disable_network = true,'
  policy jwt 'memory = "64MiB", user = "1234:1235", tmpfs = { ["/run"] = "size=8m" }, share_tmp = true,'
  export_kube kv.lua jwt.lua --plugins /plugins --host-image registry.example/host:1.0 >pod.yaml
  admits restricted <pod.yaml
  same "a pod by strict server-side apply, under restricted" "$(containers pod/host restricted)" "gantry kv* jwt* host"
  version=$(kubectl get pod host -n restricted -o jsonpath='{.metadata.resourceVersion}')
  admits restricted <pod.yaml
  same "applied once more, nothing changes" \
    "$(kubectl get pod host -n restricted -o jsonpath='{.metadata.resourceVersion}')" "$version"
  sed 's/startupProbe:/startupProbes:/' pod.yaml | refuses restricted 'startupProbes: field not declared in schema'
  sed 's/failureThreshold: 60/failureThreshold: -1/; s/name: host$/name: other/' pod.yaml |
    refuses restricted 'startupProbe.failureThreshold: Invalid value'
  for fields in 'user = "0:0"' 'cap_ipc_lock = true' 'seccomp = "unconfined"' \
    'security_opt = { "no-new-privileges:false" }'; do
    policy broken "$fields"
    export_kube broken.lua --name broken >broken.yaml
    same "warned of: $fields" "$(grep -c 'warning: .*"restricted"' warnings)" 1
    refuses restricted 'violates PodSecurity "restricted:latest"' <broken.yaml
    admits open --dry-run=server <broken.yaml
  done
}

# ---- workloads that are there ----

# merged KIND/NAME NAMESPACE: its pods, with all that has names in their order.
merged() {
  kubectl get "$1" -n "$2" -o json | jq -S '.spec.template.spec | (.volumes, .containers, .initContainers) |=
    sort_by(.name) | (.containers, .initContainers) |= map(.volumeMounts |= ((. // []) | sort_by(.mountPath)) |
      .env |= ((. // []) | sort_by(.name)))'
}

# A pod of a workload's template is admitted where the workload is.
try_template() {
  kubectl get "$1" -n "$2" -o json |
    jq '.spec.template * {apiVersion: "v1", kind: "Pod", metadata: {name: "template"}} |
      .spec.serviceAccountName = "default" | .spec.automountServiceAccountToken = false |
      .spec.volumes += [{name: "data", emptyDir: {}}]' |
    admits "$2" --dry-run=server
}

# try_workload KIND/NAME FILE CONTAINERS EXPORT_ARGUMENT...: the patch by strategic merge, and the same by Kustomize.
try_workload() {
  local workload=$1 file=$2 expected=$3
  shift 3
  mkdir -p kustomized
  export_kube "$@" --only policies >kustomized/policies.yaml
  export_kube "$@" --only workload >kustomized/sidecars.yaml
  admits patched <"$file"
  kubectl patch "$workload" -n patched --type strategic --patch-file kustomized/sidecars.yaml >applied 2>&1 ||
    die "$(cat applied)"
  same "$workload by strategic merge" "$(containers "$workload" patched) $(grep -c '^Warning' applied)" "$expected 0"
  try_template "$workload" patched

  cp "$file" kustomized/workload.yaml
  printf 'resources: [workload.yaml, policies.yaml]\npatches:\n- path: sidecars.yaml\n' >kustomized/kustomization.yaml
  kubectl kustomize kustomized >kustomized.yaml
  admits kustomized <kustomized.yaml
  try_template "$workload" kustomized
  same "$workload by Kustomize: the same pods" \
    "$(diff <(merged "$workload" patched) <(merged "$workload" kustomized))" ""
  same "$workload by Kustomize: gate before sidecars" \
    "$(containers "$workload" kustomized | grep -o 'gantry .*\*')" "$(grep -o 'gantry .*\*' <<<"$expected")"
}

try_workloads() {
  try_workload deployment/app "$here/deployment.yaml" "gantry kv* jwt* migrate proxy app" \
    kv.lua jwt.lua --host-image registry.example/app:1.0 --patch deployment/app --container app --user 4000:4000 \
    --plugins /plugins
  same "what was there is there" "$(merged deployment/app patched |
    jq -r '.containers[0] | [(.env[].name), (.volumeMounts[].mountPath), .image] | join(" ")')" \
    "GANTRY_GATES LOG_LEVEL TMPDIR /cache /gantry/plugins/jwt /gantry/plugins/kv /gantry/tmp /plugins/jwt /plugins/kv$(
    ) registry.example/app:1.0"
  # The manual's own policy.
  mkdir vault
  # shellcheck disable=SC2016 # backticks
  sed -n '/^```lua$/,/^```$/p' "$repository/docs/kubernetes.md" | sed '/^```/d' |
    sed "s/9f2c…/$(printf 'a%.0s' {1..64})/g" >vault/jwt.lua
  try_workload statefulset/vault "$here/vault.yaml" "gantry jwt* vault" \
    vault/jwt.lua --host-image registry.example/vault-gantry:1.20 --patch statefulset/vault --container vault \
    --user 100:1000 --plugins /vault/plugins --without pull
}

if [ -n "$folder" ]; then
  cd "$folder"
  ip link set lo up
  ip addr add 10.77.0.1/24 dev lo
  start_server "$folder"
  namespace restricted restricted
  namespace open
  namespace patched restricted
  namespace kustomized restricted
  try_pod
  try_workloads
  say "passed on kube-apiserver $(cat "$kube/made-of")"
  exit
fi

[ "$(id -u)" = 0 ] || skip "namespaces have to be root's"
need curl ip jq openssl
"$here/build.sh" || exit $?
folder=$(mktemp -d "${TMPDIR:-/tmp}/gantry-kube.XXXXXX")
trap 'rm -rf "$folder"' EXIT
unshare -mnp --fork --mount-proc --kill-child "$0" "$build" "$folder"

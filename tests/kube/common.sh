# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# common.sh: what the tests of this folder share; brings scripts/common.sh along. Sourced.

# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
# shellcheck disable=SC2034 # the tests use it
here=$repository/tests/kube
cache=$(realpath -m "${GANTRY_CACHE:-$cache}")
# shellcheck disable=SC2034 # so do they
kube=$cache/kube # Kubernetes' programs

skip() {
  say "skipped: $*"
  exit 77
}

# need PROGRAM...
need() {
  local program
  for program; do
    command -v "$program" >/dev/null || skip "$program is not installed"
  done
}

# Where start_server listens, and who may do all there; for kubectl.
# shellcheck disable=SC2034 # the tests use it
server=(--server https://10.77.0.1:6443 --token test --insecure-skip-tls-verify)

# start_server FOLDER: etcd and an API server, in the namespaces of the caller, which has 10.77.0.1 and ends them. Pod
# Security is as namespaces say.
start_server() {
  local folder=$1 attempt
  openssl genrsa -out "$folder/account.key" 2048 2>/dev/null
  echo 'test,admin,1,"system:masters"' >"$folder/tokens.csv"
  "$kube/etcd" --data-dir "$folder/etcd" --unsafe-no-fsync >"$folder/etcd.log" 2>&1 &
  "$kube/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --cert-dir "$folder/pki" --advertise-address 10.77.0.1 \
    --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$folder/account.key" \
    --service-account-signing-key-file "$folder/account.key" --service-cluster-ip-range 10.0.0.0/24 \
    --token-auth-file "$folder/tokens.csv" --authorization-mode RBAC >"$folder/server.log" 2>&1 &
  for ((attempt = 0; attempt < 1200; attempt++)); do
    [ "$(curl -sk -H 'Authorization: Bearer test' https://10.77.0.1:6443/readyz)" != ok ] || return 0
    [ "$(jobs -r | wc -l)" -ge 2 ] || break
    sleep 0.1
  done
  tail -n 20 "$folder/etcd.log" "$folder/server.log"
  die "the API server is not ready"
}

# namespace NAME [LEVEL]: has the account that pods want and a controller would make, and enforces a level of Pod Security.
namespace() {
  kubectl create namespace "$1" >/dev/null
  kubectl create serviceaccount default -n "$1" >/dev/null
  [ -z "${2:-}" ] || kubectl label namespace "$1" "pod-security.kubernetes.io/enforce=$2" \
    "pod-security.kubernetes.io/warn=$2" >/dev/null
}

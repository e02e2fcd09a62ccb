# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# oci.sh: the engine without a daemon with each of its runtimes, as root and as an ordinary user who has nothing but
# himself: no subordinate ids, no cgroup. Sourced by families.sh within its namespaces.
work=${work:?} engines=${engines:?} results=${results:?}

# pure_cgroups: cgroups of version 2 alone, as crun needs them, where this machine has both versions.
pure_cgroups() {
  [ -e /sys/fs/cgroup/cgroup.controllers ] || mount -t cgroup2 gantry-cgroups /sys/fs/cgroup
}

# runtime_path RUNTIME: where gantry finds it, before all others of that name.
runtime_path() {
  local folder
  for folder in /usr/bin /usr/sbin; do
    [ ! -x "$folder/$1" ] || { echo "$folder/$1"; return; }
  done
  return 1
}

# newer_runtime RUNTIME PATH: Debian 13's in the place of this machine's. Its loader and its libraries are named by a path
# that every user may read.
newer_runtime() {
  local root=$engines/runtimes13 loader
  loader=$(find "$root" -name ld-linux-x86-64.so.2 -type f | head -n 1)
  mkdir "$work/newer"
  cp "$root/bin/$1" "$work/newer/"
  "$engines/tools/usr/bin/patchelf" --set-interpreter "$loader" --force-rpath \
    --set-rpath "$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu" "$work/newer/$1"
  mount --bind "$work/newer/$1" "$2"
}

# load_archive ADDRESS VARIABLE...: the plugins' images, the same as every other engine has.
load_archive() {
  local address=$1
  shift
  "${as[@]}" env HOME=/invalid TMPDIR="$temporary" "$@" "$GANTRY" image load --engine "$address" "$engines/images.tar" \
    >"$work/load.log" 2>&1 || die "the plugins' images were not loaded: $(tail -n 1 "$work/load.log")"
}

# oci_column LABEL RUNTIME FOLDER: the suite, as the user of $as, whose folder it is.
oci_column() {
  local label=$1 address=oci:$2 folder=$3 variables
  variables=("GANTRY_ENGINE=$address" "GANTRY_RUNTIME_DIR=$folder/gantry-test-oci" "GANTRY_IMAGE_DIR=$folder/images")
  load_archive "$address" "${variables[@]}"
  suite "$label" "$address" "${variables[@]}"
  # shellcheck disable=SC2034 # families.sh's
  run_specs ../engine/oci_life_spec.lua "GANTRY_MATRIX_ADDRESS=$address" "GANTRY_IMAGE_DIR=$folder/images" || failed=1
}

# oci_columns RUNTIME[13]: as root and as an ordinary user.
oci_columns() {
  local runtime=${1%13} path label reason
  path=$(runtime_path "$runtime") || { skip_engine "oci/$1" "$runtime is not installed"; return; }
  if [ "$1" != "$runtime" ]; then
    reason=$(fetched tools && fetched runtimes13) || { skip_engine "oci/$1" "$reason"; return; }
    newer_runtime "$runtime" "$path"
  fi
  [ "$runtime" != crun ] || pure_cgroups
  label="oci/$runtime $("$path" --version | awk '$2 == "version" { print $3; exit }')${reason+ of Debian 13}"
  mkdir -m 700 "$work/root" "$work/root/tmp"
  temporary=$work/root/tmp
  oci_column "$label" "$runtime" "$work/root"
  make_rootless_user
  user_runtime
  install -d -o 64999 -g 64998 -m 700 "$work/rootless/tmp"
  chmod 666 "$results"
  as=(as_user)
  temporary=$work/rootless/tmp
  oci_column "$label rootless" "$runtime" "$work/rootless"
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# common.sh: what the two commands share: messages, Debian packages, Go and the build. Sourced.
#
# Everything here is idempotent, prints one line for what it does, and ends the command with one line where it cannot go
# on. Longer output goes to .cache/ and is shown only when something fails.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$repository/.cache
mkdir -p "$cache"
sudo=() # what to put before a command that must run as root
[ "$(id -u)" = 0 ] || sudo=(sudo)

# shellcheck disable=SC2034 # the commands use both lists
build_packages=(cmake ninja-build pkgconf gcc libc6-dev liblua5.4-dev lua5.4 lua-cjson lua-argparse
  libcurl4-openssl-dev libnghttp2-dev libssl-dev libreadline-dev libncurses-dev libmicrohttpd-dev libarchive-dev curl
  ca-certificates musl-tools)
# shellcheck disable=SC2034
test_packages=(libacl1-dev libcmocka-dev valgrind clang-tidy clang-format lua-busted lua-check lua-luv lua-cqueues
  lua-http shellcheck acl ccache jq openssl python3-minimal lua5.1 lua5.3 luajit wrk tmux groff-base luarocks make
  docker-registry apache2-utils dpkg-dev skopeo busybox-static zstd zsh fish prometheus chromium chromium-driver
  crun runc runsc slirp4netns passt)

say() { printf '%s: %s\n' "${0##*/}" "$*"; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# logged NAME COMMAND...: runs a command with its output in .cache/NAME.log, of which the end is shown if it fails.
logged() {
  local name=$1 log=$cache/$1.log
  shift
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" | cut -c 1-500 >&2
    die "$name failed; its whole output is in $log"
  fi
}

may_be_root() { [ ${#sudo[@]} = 0 ] || command -v sudo >/dev/null; }

missing_packages() {
  comm -23 <(printf '%s\n' "$@" | sort -u) \
    <(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
      sed -n 's/^installed //p' | sort -u)
}

# install_packages PACKAGE...: installs those that are missing.
install_packages() {
  local missing
  command -v apt-get >/dev/null || die "this is made for Debian 12 and 13; on another system, install: $*"
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  may_be_root || die "packages are missing; as root, run: apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  logged apt-update "${sudo[@]}" apt-get -q -o DPkg::Lock::Timeout=300 update
  logged apt-install "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 install "${missing[@]}"
}

# Puts a Go of at least 1.19 first on PATH: the one there, one in its usual folder, or Debian's. False without any.
find_go() {
  local candidate
  for candidate in go /usr/local/go/bin/go /usr/lib/go/bin/go; do
    if [[ $("$candidate" env GOVERSION 2>/dev/null) =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 19)); then
      PATH=$(dirname "$(command -v "$candidate")"):$PATH
      export GOTOOLCHAIN=local
      return 0
    fi
  done
  return 1
}

need_go() {
  find_go && return
  install_packages golang-go
  find_go || die "Go is older than 1.19 here; install a newer one into /usr/local/go"
}

# build TARGET...: configures build/ and builds. CMAKE_FLAGS may hold more flags for CMake.
build() {
  say "building in build/"
  logged configure cmake -S "$repository" -B "$repository/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    "${CMAKE_FLAGS[@]}"
  logged build cmake --build "$repository/build" --target "$@" -- --quiet
}

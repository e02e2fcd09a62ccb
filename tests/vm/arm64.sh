#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# arm64.sh: the gate on arm64, compiled with musl as it is for amd64, in an emulated machine with Debian's kernel:
# arm64.c is all else that runs there. An emulated program would not do, since emulators refuse filters of system calls.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
here=$repository/tests/vm
cache=$(realpath -m "${GANTRY_CACHE:-$cache}")/vm
packages=$cache/arm64
mkdir -p "$cache"

[ "$(id -u)" = 0 ] || { say "skipped: installs packages, as root only" && exit 77; }
install_packages qemu-system-arm gcc-aarch64-linux-gnu busybox-static

# Packages of arm64, unpacked: kernel and musl, by an apt state of its own.
fetch() {
  local state=$packages.apt mirror kernel
  mirror=$(awk '/^URIs/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
  mirror=${mirror:-$(awk '/^deb / { print $2; exit }' /etc/apt/sources.list)}
  rm -rf "$state" "$packages.new"
  mkdir -p "$state"/{lists,archives}/partial
  : >"$state/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm main" >"$state/sources.list"
  printf '%s "%s";\n' APT::Architecture arm64 APT::Architectures arm64 Dir::Etc::SourceList "$state/sources.list" \
    Dir::Etc::SourceParts - Dir::State::Lists "$state/lists" Dir::State::Status "$state/status" Dir::Cache "$state" \
    APT::Sandbox::User root APT::Update::Error-Mode any Acquire::Languages none >"$state/apt.conf"
  export APT_CONFIG=$state/apt.conf
  cd "$state/archives"
  apt-get update -q
  kernel=$(apt-cache depends linux-image-cloud-arm64 | awk '/Depends/ { print $2; exit }')
  apt-get download -q "$kernel" musl-dev
  for package in *.deb; do dpkg -x "$package" "$packages.new"; done
  rm -rf "$state"
  mv "$packages.new" "$packages"
}

# compile OUTPUT FILE...
compile() {
  local output=$1 musl=$packages/usr/lib/aarch64-linux-musl gcc=aarch64-linux-gnu-gcc
  shift
  $gcc -std=gnu11 -D_GNU_SOURCE -DGANTRY_VERSION='"arm64"' -Wall -Wextra -Werror -Os -static -nostdlib -nostdinc \
    -isystem "$packages/usr/include/aarch64-linux-musl" -isystem "$($gcc -print-file-name=include)" \
    -I"$repository/src" "$musl"/crt1.o "$musl"/crti.o "$@" "$musl"/libc.a "$($gcc -print-libgcc-file-name)" \
    "$musl"/crtn.o -o "$output"
}

[ -e "$packages" ] || logged vm-arm64 fetch
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root"
compile "$work/root/gate" "$repository"/src/gate/*.c "$repository"/src/core/system/text.c
compile "$work/root/init" "$here/arm64.c"
(cd "$work/root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$work/initrd"

timeout 600 qemu-system-aarch64 -machine virt -cpu cortex-a57 -m 256 -nographic -nic none -no-reboot \
  -kernel "$(echo "$packages"/boot/vmlinuz-*)" -initrd "$work/initrd" \
  -append 'console=ttyAMA0 rdinit=/init panic=-1 quiet' </dev/null >"$work/console" 2>&1 ||
  { tail -n 30 "$work/console" && die "the machine did not come down by itself"; }
grep -aE '^(ok|not ok|#|gantry-gate)' "$work/console" | tr -d '\r'
grep -q '^end of the trial' "$work/console" || { tail -n 30 "$work/console" && die "the trial broke off"; }
! grep -q '^not ok' "$work/console" || die "on arm64 the gate is not what it is on amd64"
say "$(grep -c '^ok' "$work/console") cases passed on arm64"

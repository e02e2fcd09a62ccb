#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh: what only a machine with systemd and pure cgroup v2 can show, shown on one: Debian 13, emulated, with gantry
# from its Debian package, as root and as a user whose cgroup is delegated. trial.sh runs inside, over two boots; its
# cases come out here. Takes about ten minutes, and twenty more where .cache/vm is empty.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(realpath -m "${GANTRY_CACHE:-$cache}")/vm
mkdir -p "$cache"

skip() {
  say "skipped: $1"
  exit 77
}

[ "$(id -u)" = 0 ] || skip "a root file system is made as root only"
[ "$(dpkg --print-architecture)" = amd64 ] || skip "written for amd64"
install_packages qemu-system-x86 debootstrap e2fsprogs

suite=trixie
boot_packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,crun,runc,linux-image-cloud-amd64,lua5.4,lua-cjson
boot_packages+=,lua-argparse,libcurl4t64,libnghttp2-14,libssl3t64,libmicrohttpd12t64,libreadline8t64,libarchive13t64,libncursesw6,iproute2,procps
builder_packages=$(IFS=, && echo "${build_packages[*]}"),dpkg-dev,file
mirror=$(awk '/^URIs/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
mirror=${mirror:-$(awk '/^deb / { print $2; exit }' /etc/apt/sources.list)}

# root_of NAME PACKAGES: a root file system with these packages, made once.
root_of() {
  local root
  root=$cache/$1-$(echo "$suite $2" | sha256sum | cut -c 1-12)
  if [ ! -e "$root" ]; then
    rm -rf --one-file-system "${cache:?}/$1"-*
    logged "vm-$1" debootstrap --variant=minbase "--include=$2" "$suite" "$root.new" "$mirror" >&2
    mv "$root.new" "$root"
  fi
  echo "$root"
}

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

say "Debian 13's own build"
builder=$(root_of builder "$builder_packages")
rm -rf "$builder/source" && mkdir -p "$builder/source"
# shellcheck disable=SC2154 # common.sh sets it
tar -C "$repository" --exclude=./build --exclude=./.cache --exclude=./.git -c . | tar -x -C "$builder/source"
# A mount namespace of its own: /proc there ends with the command.
# shellcheck disable=SC2016 # the inner shell's
logged vm-build unshare --mount --pid --fork --mount-proc="$builder/proc" chroot "$builder" sh -ec '
  cmake -S /source -B /build -G Ninja -DBUILD_TESTING=OFF
  ninja -C /build all
  rm -rf /packages
  cpack --config /build/CPackConfig.cmake -G DEB -B /packages'

say "the machine's disk"
root=$(root_of machine "$boot_packages")
cp -a "$root" "$work/root"
cp "$builder"/packages/gantry_*.deb "$work/root/root/gantry.deb"
mapfile -t plugins < <(find "$(realpath "${GANTRY_CACHE:-$repository/.cache}")/kv" -name "kv-*.?" | sort -V)
install -m 755 "${plugins[-1]}" "$work/root/usr/local/bin/kv"
install -m 755 "$here/trial.sh" "$work/root/usr/local/bin/trial"
install -m 644 "$here/trial.service" "$work/root/etc/systemd/system/trial.service"
logged vm-install unshare --mount --pid --fork --mount-proc="$work/root/proc" chroot "$work/root" sh -ec '
  dpkg -i /root/gantry.deb
  useradd --create-home --shell /bin/bash tester
  mkdir -p /var/lib/systemd/linger && touch /var/lib/systemd/linger/tester
  systemctl enable trial.service'
mke2fs -q -F -t ext4 -d "$work/root" "$work/disk.img" 2000M

say "two boots"
timeout 1500 qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 2048 -nographic -nic none \
  -kernel "$(echo "$work"/root/boot/vmlinuz-*)" -initrd "$(echo "$work"/root/boot/initrd.img-*)" \
  -append 'root=/dev/vda rw console=ttyS0 quiet' -drive "file=$work/disk.img,if=virtio,format=raw,cache=unsafe" \
  </dev/null >"$work/console" 2>&1 || { tail -n 30 "$work/console" && die "the machine did not come down by itself"; }
debugfs -R 'cat /root/out' "$work/disk.img" 2>/dev/null >"$work/out"
debugfs -R 'cat /root/log' "$work/disk.img" 2>/dev/null >"$repository/.cache/vm-trial.log"
cat "$work/out"
grep -q '^end of the trial$' "$work/out" || die "the trial broke off; see .cache/vm-trial.log"
! grep -q '^not ok' "$work/out" || die "see .cache/vm-trial.log"
say "$(grep -c '^ok' "$work/out") cases passed in the machine"

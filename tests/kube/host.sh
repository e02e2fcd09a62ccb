# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# host.sh: what the host's container of run.sh does: it calls its plugins as a host would, and writes how that went.
export PATH=/bin:/usr/bin KV_PROTO=grpc KV_PLUGIN=/plugins/grpc
# An input that never ends, for hosts that hold their plugin until it does.
mkfifo /gantry/plugins/kv/never
exec 3<>/gantry/plugins/kv/never

host-grpc put hello pod && host-grpc get hello
echo "rc of grpc: $?"
hold -mtls /plugins/kv </dev/null
echo "rc of mtls: $?"
hold /plugins/greedy <&3
echo "rc of greedy: $?"
[ -S /var/run/docker.sock ] && echo "network: engine" || echo "network: no"

# Where nothing more can be written sockets can be made still; and two ask for their plugins at one instant.
dd if=/dev/zero of=/gantry/plugins/kv/fill bs=64k 2>/dev/null || echo "full: $?"
hold /plugins/kv </dev/null
echo "rc of full: $?"
rm /gantry/plugins/kv/fill
hold /plugins/kv </dev/null &
hold /plugins/kv </dev/null
second=$?
wait $!
echo "rc of two: $second $?"
echo "done: calls"

# A plugin that is held until its sidecar is killed; then the next start waits for the next gate.
hold /plugins/kv <&3
echo "rc of held: $?"
hold /plugins/kv </dev/null
echo "rc of restarted: $?"
echo "done: restarted"
hold /plugins/kv <&3
echo "rc of ended: $?"
hold /plugins/kv </dev/null
echo "rc of again: $?"
echo "done: ended"
trap 'exit 0' TERM
sleep 1000 &
wait

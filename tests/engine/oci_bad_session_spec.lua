-- SPDX-License-Identifier: Apache-2.0
--
--- Sessions and surroundings that are no good for containers without a daemon, or that only look so: no
--- XDG_RUNTIME_DIR, cron, a service that takes its children along, a kernel that forbids user namespaces, a user
--- namespace around gantry, a container of Docker's.

local core = require "gantry.core"
local oci = require "engine.oci"
local oci_containers = require "engine.oci_containers"
local support = require "engine.support"

-- An ordinary user that has no name on this machine.
local ORDINARY <const> = 61234
local ANSWER <const> = '{"status":"SERVING"}'

describe("without a daemon", function()
  local root, runtime

  local reason = oci_containers.missing() or core.system.euid() ~= 0 and "surroundings are made by root" or nil
  if reason then return it("surroundings can be tried", function() pending(reason) end) end
  runtime = core.system.stat "/usr/bin/crun" and "crun" or "runc"

  before_each(function()
    root = support.temporary()
    support.write(root .. "/kv.lua", oci.policy "")
    assert(os.execute(("cd %s && chmod 755 . && chmod 644 kv.lua && mkdir -m 700 own && chown %d:%d own"):format(root,
      ORDINARY, ORDINARY)))
  end)
  after_each(function() support.remove(root) end)

  ---@param script string
  ---@param around string? a command that takes the script's path
  ---@return string output
  local function run(script, around)
    local path = support.write(root .. "/script", script)
    local pipe <close> = assert(io.popen(("%s sh %s 2>&1"):format(around or "", path)))
    return pipe:read "a"
  end

  ---The command as an ordinary user runs it.
  ---@param words string
  ---@param variables string
  ---@return string line of a shell's script
  local function as_user(words, variables)
    return ("setpriv --reuid %d --regid %d --clear-groups env %s GANTRY_STATE_DIR=%s/own/state %s %s"):format(ORDINARY,
      ORDINARY, variables, root, support.executable, words)
  end

  local function call(name) return ("call %s/kv.lua grpc.health.v1.Health/Check --engine oci:%s"):format(root, name) end

  local OWN <const> = "GANTRY_RUNTIME_DIR=$own/run GANTRY_IMAGE_DIR=$own/images HOME=$own"

  ---@return string variables
  local function own() return (OWN:gsub("%$own", root .. "/own")) end

  -- ---- sessions ----

  it("a user needs no XDG_RUNTIME_DIR, and doctor says where containers are", function()
    -- Of cron's variables, and none of a login's; with a /tmp that is nobody else's.
    local bare = "-i PATH=/usr/bin:/bin:/usr/sbin SHELL=/bin/sh LOGNAME=nobody HOME=" .. root .. "/own"
    local text = run(("mount -t tmpfs -o mode=1777 none /var/tmp && mkdir -m 1777 /var/tmp/t && %s && %s"):format(
      as_user(call "runc", bare), as_user("doctor --engine oci:runc", bare)), "unshare -m")
    assert.is_truthy(text:find(ANSWER, 1, true), text)
    assert.is_truthy(text:find(("no XDG_RUNTIME_DIR (cron, su, ssh without PAM): what is known of containers is in "
      .. "/tmp/gantry-%d/.oci"):format(ORDINARY), 1, true), text)
    assert.is_truthy(text:find("loginctl enable-linger", 1, true), text)
    assert.are.same({}, support.entries(("/tmp/gantry-%d/.oci/containers"):format(ORDINARY)))
    assert(os.execute(("rm -rf /tmp/gantry-%d"):format(ORDINARY)))
  end)

  ---What doctor says to a process of a unit, of which systemd says something.
  ---@param says string of a shell, in place of systemctl
  ---@param slice string? the cgroup of a user's service manager
  ---@return string lines
  local function doctor_in_service(says, slice)
    slice = slice or "gantry-test.slice"
    support.write(root .. "/systemctl", "#!/bin/sh\n" .. says)
    local text = run(([[set -e
chmod +x %s/systemctl
cd /sys/fs/cgroup/pids
mkdir -p %s/gantry-test.service
trap 'sleep 0.2; rmdir %s/gantry-test.service %s' EXIT
mount --bind %s/systemctl /usr/bin/systemctl
(echo $(exec sh -c 'echo $PPID') >%s/gantry-test.service/cgroup.procs
INVOCATION_ID=1 exec env GANTRY_RUNTIME_DIR=%s/run GANTRY_STATE_DIR=%s/state %s doctor --engine oci:runc)
]]):format(root, slice, slice, slice, root, slice, root, root, support.executable), "unshare -m")
    local lines = {}
    for line in text:gmatch "[^\n]*service: [^\n]*" do lines[#lines + 1] = line end
    return #lines > 0 and table.concat(lines, "\n") or text
  end

  it("doctor asks systemd whether a stop of the service takes containers along", function()
    if not core.system.stat "/sys/fs/cgroup/pids" or not core.system.stat "/usr/bin/systemctl" then
      return pending "this machine has no such cgroups, or no systemctl"
    end
    local line = doctor_in_service "echo KillMode=control-group; echo Delegate=no"
    assert.matches("warning +service: .*gantry%-test.service, which has KillMode=control%-group: a stop ends", line)
    assert.matches("ok +service: .*has KillMode=process", doctor_in_service "echo KillMode=process")
    for _, says in ipairs { "exit 1", "echo nonsense", "exec sleep 1000" } do
      assert.matches("systemd does not say how it is stopped: unless it has KillMode=process", doctor_in_service(says))
    end
    local good, users = "echo KillMode=process; echo Delegate=yes", "user@4242.service"
    assert.matches("warning +service: .* has no DelegateSubgroup: while a plugin with limits runs",
      doctor_in_service(good, users))
    local placed = good .. "; echo DelegateSubgroup=own"
    assert.is_nil(doctor_in_service(placed, users):find("DelegateSubgroup", 1, true))
    assert.is_nil(doctor_in_service(good):find("DelegateSubgroup", 1, true))
  end)

  -- ---- kernels ----

  ---As root of a user namespace that has all ids, by which a kernel is made that forbids more of them.
  ---@param script string
  ---@return string output
  local function run_nested(script)
    support.write(root .. "/inner", script)
    return run(([[mkfifo %s/go
unshare -Um sh -c 'read _ <%s/go; exec sh %s/inner' & inner=$!
sleep 0.2
until [ "$(readlink /proc/$inner/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.1; done
echo 0 0 65536 >/proc/$inner/uid_map && echo 0 0 65536 >/proc/$inner/gid_map && echo go >%s/go
wait $inner]]):format(root, root, root, root))
  end

  it("a kernel that forbids user namespaces is named with its switch, by a start and by doctor", function()
    local text = run_nested(("echo 0 >/proc/sys/user/max_user_namespaces\n%s\n%s\n"):format(as_user(call(runtime),
      own()), as_user("doctor --engine oci:" .. runtime, own())))
    assert.matches("gantry: start container %x+: %l+ says: [^\n]*; this kernel lets no ordinary user make a user "
      .. "namespace %(user.max_user_namespaces = 0%): as root: sysctl user.max_user_namespaces=15000\n", text)
    assert.matches("PROBLEM +user namespaces: this kernel lets no ordinary user make a user namespace", text)
    assert.are.same({}, support.entries(root .. "/own/run/.oci/containers"))
  end)

  -- ---- nested ----

  it("containers can be made in a user namespace, by its root and by others in it", function()
    local text = run_nested(("mkdir -m 700 %s/run; export GANTRY_RUNTIME_DIR=%s/run GANTRY_IMAGE_DIR=%s/images\n"
      .. "GANTRY_STATE_DIR=%s/state %s %s\n%s\n"):format(root, root, root, root, support.executable, call "runc",
      as_user(call "runc", own())))
    assert.are.equal(2, select(2, text:gsub("SERVING", "")), text)
  end)

  ---Runs the command in a container of Docker's that has this machine's programs.
  ---@param options string
  ---@param words string
  ---@return string output
  local function in_docker(options, words)
    local mounts = {}
    for _, folder in ipairs { "/usr", "/lib", "/lib64", "/bin", "/etc" } do
      if core.system.stat(folder) then mounts[#mounts + 1] = ("-v %s:%s:ro"):format(folder, folder) end
    end
    for _, folder in ipairs { support.source, oci.kv "1.8":match "^(.*)/", root } do
      mounts[#mounts + 1] = ("-v %s:%s:ro"):format(folder, folder)
    end
    return run(("docker run --rm --network none %s --tmpfs /run:exec,mode=1777 --tmpfs /tmp:exec,mode=1777 "
      .. "-e GANTRY_RUNTIME_DIR=/run/g -e GANTRY_IMAGE_DIR=/run/i -e GANTRY_STATE_DIR=/run/s -e HOME=/run %s "
      .. "--entrypoint %s gantry-test-kv %s"):format(table.concat(mounts, " "), options, support.executable, words))
  end

  it("a container of Docker's is named where it keeps gantry from making others", function()
    if not os.execute "docker image inspect gantry-test-kv >/dev/null 2>&1" then return pending "Docker is not here" end
    local text = in_docker("", call "crun")
    assert.matches("crun says: [^\n]*; this root has no CAP_SYS_ADMIN, as in a container of Docker's: give that one "
      .. "%-%-privileged, or to gantry the socket", text)
    local user = ("--user %d:%d"):format(ORDINARY, ORDINARY)
    text = in_docker(user, call "runc")
    assert.matches("; parts of /proc are hidden from this process, as in a container of Docker's, [^\n]*"
      .. "systempaths=unconfined", text)
    assert.matches("PROBLEM +nested: parts of /proc are hidden", in_docker(user, "doctor --engine oci:runc"))
    text = in_docker(user .. " --security-opt seccomp=unconfined --security-opt systempaths=unconfined", call "runc")
    assert.is_truthy(text:find(ANSWER, 1, true), text)
  end)
end)

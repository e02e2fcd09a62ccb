-- SPDX-License-Identifier: Apache-2.0
--
--- Policies that some engine, or all of them, would refuse, with what `gantry check` says. A row: the fields of a
--- policy, then words that must occur. Where it says nothing of the command, it is `check kv.lua`, and the code 3.

---@class WrongPolicy
---@field [1] string fields of kv.lua, each on line 2 and later; nil where files are given
---@field [2] string[] words
---@field files table<string, string>? texts by name, instead
---@field without string? words that must not
---@field command string? of gantry's
---@field code integer?

local long_name <const> = ("a"):rep(65)

---@type WrongPolicy[]
local ROWS <const> = {
  -- Users and groups.
  { 'user = "a:b:c"', { "kv.lua:2: user must be USER or USER:GROUP", "'a:b:c'" } },
  { 'user = "1:"', { "user must be USER or USER:GROUP" } },
  { 'user = ":1"', { "user must be USER or USER:GROUP" } },
  { 'user = "-1"', { "user must be USER or USER:GROUP" } },
  { 'user = "1:-1"', { "user must be USER or USER:GROUP" } },
  { 'user = "kv user"', { "user must be USER or USER:GROUP" } },
  { 'user = "2147483648"', { "user must have numbers of at most 2147483647" } },
  { 'group_add = "a:b"', { "group_add must be a group's name or number", "'a:b'" } },
  { 'group_add = { "my group" }', { "group_add[1] must be a group's name or number" } },
  { 'group_add = -1', { "group_add must be at least 0" } },
  { 'socket_group = "a,b"', { "socket_group must be a group's name or number" } },
  { 'userns_mode = "hots"', { 'userns_mode must be "host"', "keep-id" } },
  { 'userns_mode = "keep-id:x=1"', { 'userns_mode must be "host"' } },
  -- Memory as a file system.
  { 'tmpfs = { ["/x"] = "noexce" }', { "tmpfs./x has the option 'noexce'", "did you mean 'noexec'" } },
  { 'tmpfs = { ["/x"] = "size=16m,huge=always" }', { "the option 'huge=always', which no engine takes" } },
  { 'tmpfs = { ["/x"] = "size=big" }', { "has a size that must be one such as 16m" } },
  { 'tmpfs = { ["/x"] = "size" }', { "the option size without a value; write size=" } },
  { 'tmpfs = { ["/x"] = "mode=0999" }', { "has a mode that must be octal" } },
  { 'tmpfs = { ["/x"] = "uid=kv" }', { "has a uid that must be a number" } },
  { 'tmpfs = { ["/x"] = "gid=4294967296" }', { "has a gid that must be a number of at most" } },
  { 'tmpfs = { ["/x"] = "nr_inodes=many" }', { "has a nr_inodes that must be a number such as 10k" } },
  { 'tmpfs = { ["/x"] = "mpol=best" }', { "has a mpol that must be one such as interleave" } },
  { 'tmpfs = { ["/x"] = "remount" }', { "the option 'remount'" } },
  { 'tmpfs = { ["/x"] = "," }', { "the option ''" } },
  { 'tmpfs = { ["/x/.."] = "" }', { "must not be the container's root" } },
  { 'tmpfs = { ["/proc/kv"] = "" }', { "must not be in /proc" } },
  { 'tmpfs = { ["kv"] = "" }', { "must be an absolute path" } },
  -- What is put into the container.
  { 'mounts = { { source = "/etc", target = "/a/../" } }', { "mounts[1].target must not be the container's root" } },
  { 'mounts = { { source = "/etc", target = "/proc" } }', { "mounts[1].target must not be in /proc" } },
  { 'mounts = { { source = "/etc", target = "/proc/1/x" } }', { "mounts[1].target must not be in /proc" } },
  { 'mounts = { { source = "/etc", target = "/a" }, { source = "/usr", target = "/b/../a" } }',
    { "mounts[2]: '/a' is taken already, by mounts[1]" } },
  { 'devices = { { source = "/dev/null", permissions = "rr" } }', { 'some of the letters "rwm", each once' } },
  { 'devices = { { source = "/dev/null", target = "/proc/null" } }', { "target must not be in /proc" } },
  -- Security.
  { 'security_opt = { "no-new-privilege" }',
    { "security_opt[1] must be one of", "did you mean 'no-new-privileges'" } },
  { 'security_opt = { "no-new-privileges=maybe" }', { "must be no-new-privileges, or no-new-privileges=false" } },
  { 'security_opt = { "cap=all" }', { "security_opt[1] must be one of apparmor, label, mask" } },
  { 'security_opt = { "label=off" }', { "must be label=disable, or label=user" } },
  { 'security_opt = { "label=owner:x" }', { "must be label=disable, or label=user" } },
  { 'security_opt = { "seccomp=/etc/seccomp.json" }', { "the profile itself", 'set the field seccomp = "/path"' } },
  { 'security_opt = { "apparmor=" }', { "must have a value after the =" } },
  { 'security_opt = { "systempaths=unconfined" }', { "the docker command's own" } },
  { 'apparmor = "a b"', { "apparmor must be the name of a profile" } },
  { 'runtime = "my runtime"', { "runtime must not contain spaces" } },
  { 'cgroup_parent = "my slice"', { "cgroup_parent must not contain spaces" } },
  -- Numbers that no machine has.
  { "cpus = 10000", { "cpus must be at most 8192" } },
  { "cpus = 0.001", { "cpus must be at least 0.01" } },
  { "nano_cpus = 9000000000000", { "nano_cpus must be at most 8192000000000" } },
  { 'cpuset = "0-9999"', { "cpuset must have numbers of at most 8191" } },
  { 'cpuset = "3-1"', { "cpuset must be numbers of processors" } },
  { 'cpuset = "99999999999999999999"', { "cpuset must have numbers of at most 8191" } },
  { 'memory = "5000TiB"', { "memory must be at most 4096TiB" } },
  { 'memory = "1KiB"', { "memory must be at least 6MiB" } },
  { 'memory = "64MiB", memory_swap = "32MiB"', { "memory_swap is memory and swap together, and must be at least" } },
  { "pids_limit = 5000000", { "pids_limit must be at most 4194304" } },
  { "pids_limit = -1", { "pids_limit must be at least 1" } },
  { 'ulimits = { { name = "nofiles", soft = 1 } }', { "ulimits[1].name must be", "did you mean 'nofile'" } },
  { 'ulimits = { { name = "NOFILE", soft = 1 } }', { "ulimits[1].name must be" } },
  { 'ulimits = { { name = "nofile", soft = 99999999999 } }', { "nofile must be at most 2147483584" } },
  { 'ulimits = { { name = "nofile", soft = 9, hard = 8 } }', { "ulimits[1]: soft is above hard" } },
  { 'ulimits = { { name = "core", soft = 1 }, { name = "core", soft = 2 } }', { "ulimits[2]: 'core' is there twice" } },
  { 'stop_signal = "SIGTREM"', { "stop_signal must be a signal", "did you mean 'SIGTERM'" } },
  { 'stop_signal = "65"', { "stop_signal must be a signal" } },
  { 'stop_signal = "SIGRTMIN+16"', { "stop_signal must be a signal" } },
  -- Networks.
  { ('hostname = "%s"'):format(long_name), { "hostname must be at most 64 bytes long, got 65" } },
  { 'hostname = "-a"', { "hostname names '-a'" } },
  { 'dns = "1.2.3"', { "dns must be an IP address" } },
  { 'dns = "1.2.3.04"', { "dns must be an IP address" } },
  { 'dns = { "::::" }', { "dns[1] must be an IP address" } },
  { 'dns = "1:2:3:4:5:6:7"', { "dns must be an IP address" } },
  { 'dns = "12345::1"', { "dns must be an IP address" } },
  { 'extra_hosts = { a = "host" }', { "extra_hosts.a must be an IP address" } },
  { 'extra_hosts = { ["a b"] = "::1" }', { "the name 'a b' is no host's name" } },
  { 'networks = { "my net" }', { "networks[1] must be a network's name" } },
  { 'networks = { "container:" }', { "networks[1] must say more after 'container:'" } },
  { 'networks = { "host", "backend" }', { "who is in 'host' can be in no other network" } },
  { 'networks = { "none" }, endpoints_config = { a = {} }', { "who is in 'none' can be in no other network" } },
  { 'networks = { "container:db" }, hostname = "kv"', { "hostname is that of the other container" } },
  { 'networks = { "container:db" }, dns = "::1"', { "dns is that of the other container" } },
  { 'endpoints_config = { backend = { Alias = { "kv" } } }', { "unknown field 'Alias'", "did you mean 'Aliases'" } },
  { 'endpoints_config = { backend = { Aliases = "kv" } }', { "Aliases must be a list of strings" } },
  { 'endpoints_config = { backend = { MacAddress = "zz" } }', { "MacAddress must be a MAC address" } },
  { 'endpoints_config = { backend = { IPAMConfig = { IPv4Address = "::1" } } }', { "must be an IPv4 address" } },
  { 'endpoints_config = { bridge = { Aliases = { "kv" } } }', { "only in networks that somebody made" } },
  -- Images, labels, variables, programs.
  { 'image = "registry.example:99999/kv"', { "'registry.example:99999' is not a registry's address" } },
  { 'image = "http://registry.example/kv"', { "is not a registry's address" } },
  { 'image = "kv", tag = "-1"', { "tag must be letters, digits" } },
  { 'labels = { [""] = "x" }', { "the name '' is empty" } },
  { 'labels = { ["gantry.plugin"] = "x" }', { "is gantry's own" } },
  { 'env = { "A" }', { "env[1] must be NAME=VALUE" } },
  { 'env = { A = "x\\0y" }', { "env.A must not contain a zero byte" } },
  { "entrypoint = {}", { "entrypoint must not be empty" } },
  { 'entrypoint = { "" }', { "entrypoint[1] must not be empty" } },
  { "args = { 1 }", { "args[1] must be a string" } },
  { 'working_dir = "data"', { "working_dir must be an absolute path" } },
  -- What this machine has not.
  { "cpus = 8192", { "kv.lua:2: cpus must be at most the machine's processors" } },
  { "nano_cpus = 8192000000000", { "kv.lua:2: nano_cpus must be at most the machine's processors" } },
  { 'cpuset = "8191"', { "kv.lua:2: cpuset names processor 8191, and the machine has 0 to" } },
  { 'group_add = "nosuchgroup"', { "kv.lua:2: group_add[1]: group 'nosuchgroup' is not known on this host" } },
  { 'socket_group = "nosuchgroup"', { "kv.lua:2: socket_group: group 'nosuchgroup' is not known" } },
  { 'mounts = { { source = "/nowhere/x", target = "/x" } }',
    { "kv.lua:2: warning: mounts[1].source: /nowhere/x is not on this machine" }, code = 0 },
  { 'devices = "/dev/nowhere"', { "kv.lua:2: warning: devices[1]: /dev/nowhere is not on this machine" }, code = 0 },
  { 'env_files = "/nowhere/env"', { "kv.lua:2: warning: env_files[1]: /nowhere/env" }, code = 0 },
  { 'credentials = { token = "/nowhere/token" }', { "kv.lua:2: warning: credentials.token: /nowhere/token" },
    code = 0 },
  { 'seccomp = "/nowhere.json"', { "kv.lua:2: warning: seccomp: /nowhere.json" }, code = 0 },
  -- What is there, and is something else.
  { 'devices = { "/dev/null", "/etc/passwd" }', { "kv.lua:2: devices[2]: /etc/passwd is no device" } },
  { 'env_files = { "/nowhere/env", "/etc" }', { "kv.lua:2: env_files[2]: /etc is a directory; name one file",
    "kv.lua:2: warning: env_files[1]: /nowhere/env" } },
  { 'env_files = "/etc/passwd"', { "kv.lua:2: env_files[1]: /etc/passwd:1: the line has no '='" } },
  { 'credentials = { token = "/etc" }', { "kv.lua:2: credentials.token: /etc is a directory; name one file" } },
  { 'seccomp = "/etc"', { "kv.lua:2: seccomp: /etc is no file that can be read (it is a directory)" } },
  { 'seccomp = "/etc/passwd"', { "kv.lua:2: seccomp: /etc/passwd is no JSON" } },
  { 'temp_dir = "/etc/passwd"', { "kv.lua:2: temp_dir: /etc/passwd is no folder" } },
  { 'tmpfs = { "/x", "/x/../dev" }', { "tmpfs[2] must not be /dev" } },
  { 'tmpfs = { ["/dev/"] = "size=1m" }', { "must not be /dev" } },
  -- What no engine was asked.
  { 'user = "kv", runtime = "runsc", networks = { "backend" }', { "not checked, since that takes an engine: image, "
    .. "user, runtime, networks; `gantry doctor POLICY` asks it" }, code = 0 },
  { 'user = "1:2"', { '"unchecked":["image"]' }, command = "check --json kv.lua", code = 0 },
  -- Policies of one folder.
  { nil, { "a.lua:2: dependency cycle: a -> b -> a; take one `after` out", "b.lua:1: dependency cycle" },
    command = "check set", files = { ["set/a.lua"] = 'return { image = "a",\nafter = { "b" } }',
      ["set/b.lua"] = 'return { image = "b", after = { "a" } }' } },
  { nil, { "a.lua:1: dependency cycle: a -> b -> a", "b.lua:1: dependency cycle" }, command = "check a.lua ./b.lua",
    files = { ["a.lua"] = 'return { image = "a", after = { "b" } }',
      ["b.lua"] = 'return { image = "b", after = { "a" } }' } },
  { nil, { "set/kv.lua:2: after: no policy of this folder is for a plugin 'dbb'" }, command = "check set/",
    files = { ["set/db.lua"] = 'return { image = "db" }',
      ["set/kv.lua"] = 'return { image = "kv",\nafter = { "db", "dbb" } }' } },
  { nil, { "set/kv.lua: there is a plugin 'db' already, from set/db.lua; give one of them another name" },
    command = "check set", files = { ["set/db.lua"] = 'return { image = "db" }',
      ["set/kv.lua"] = 'return { image = "kv", name = "db" }' } },
  { nil, { "set/db.lua:1: " }, without = "no policy of this folder", command = "check set", files = {
    ["set/db.lua"] = "return {", ["set/kv.lua"] = 'return { image = "kv", after = { "db" } }' } },
  { nil, { "there is a plugin 'a' already, from ./set/a.lua" }, without = "set/a.lua: there is", -- once, however named
    command = "check ./set/a.lua set", files = { ["set/a.lua"] = 'return { image = "a" }',
      ["set/b.lua"] = 'return { image = "b", name = "a" }' } },
  { nil, { "set: holds no policy" }, command = "check set", files = { ["set/notes.txt"] = "none" } },
  { nil, { "nowhere: no such file; name the path of a policy" }, command = "check nowhere" },
  -- What is no policy.
  { nil, { "kv: is a program, and a policy is a Lua file" }, command = "check kv", files = { kv = "\127ELF\2\1\1\0" } },
  { nil, { "kv: is a program, and a policy is a Lua file" }, command = "run kv",
    files = { kv = "\127ELF\2\1\1\0" .. ("x"):rep(2 << 20) } },
  { nil, { "kv.lua: is a binary chunk; a policy is Lua source" }, command = "check kv.lua",
    files = { ["kv.lua"] = string.dump(function() return 1 end) } },
  -- What has to be asked for first.
  { 'restart = restart.backoff { first = "1s" }', { "kv.lua:2: ", 'local restart = require "gantry.restart"' } },
  { "hostname = ctx.name", { "kv.lua:2: ", "the argument of a policy that is a function: return function(ctx)" } },
  { "args = gantry.args", { "kv.lua:2: ", 'local gantry = require "gantry"' } },
  { "args = missing.args", { "kv.lua:2: 'missing' is not defined" }, without = "require" },
  { "args = missing()", { "kv.lua:2: 'missing' is not defined" } },
  -- Lists that are none.
  { 'args = { "a", nil, "b" }', { "kv.lua:2: args must be a list of strings, got a list with nil in it" } },
  { 'args = { "a", b = "c" }', { "kv.lua:2: args must be a list of strings, got a list that has names as well" } },
  -- What names nothing to run.
  { nil, { "kv.lua:1: warning: names neither image nor binary" }, code = 0,
    files = { ["kv.lua"] = "return function(ctx) return { image = ctx.env.NOWHERE } end" } },
  { nil, { '"base":true' }, without = "warning:", code = 0, command = "check --json policies",
    files = { ["policies/base.lua"] = "return { init = true }", ["policies/kv.lua"] =
      'return require("gantry").extend(require "base", { image = "kv" })' } },
  -- What a policy cannot do.
  { "memory = os.getenv 'MEMORY'", { "kv.lua:2: os.getenv: policies have none: ctx.env" } },
  { "init = os.exit(1)", { "kv.lua:2: os.exit: policies have none" } },
  { "args = { io.popen('date'):read() }", { "kv.lua:2: io.popen: policies have none: a policy runs no program" } },
  { "labels = dofile 'labels.lua'", { "kv.lua:2: dofile: policies have none: require loads" } },
  { "env = package.loaded", { "kv.lua:2: package: policies have none" } },
  -- Who waits for whom.
  { 'after = { "kv" }', { "kv.lua:2: after: 'kv' is this plugin itself" } },
  { 'name = "db", after = { "db" }', { "after: 'db' is this plugin itself" } },
}

local cases = {}
for i, row in ipairs(ROWS) do
  local files = row.files
  if row[1] then
    local image = row[1]:find "^image" and "" or 'image = "kv",'
    files = { ["kv.lua"] = ("return { %s\n%s\n}\n"):format(image, row[1]) }
  end
  local command = "gantry " .. (row.command or "check kv.lua")
  cases[i] = { command, row.code or 3, files = files, without = row.without,
    name = ("%s: %s"):format(command, row[1] or table.concat(row[2], ", ")), table.unpack(row[2]) }
end
return { subject = "policies", cases = cases }

-- SPDX-License-Identifier: Apache-2.0
--
--- Hosts as units of systemd run them: a /tmp of their own (PrivateTmp), a user of their own, NoNewPrivileges.

local core = require "gantry.core"
local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

local USER <const> = 64997

---Runs what follows as a unit would be: "$1" is its folder, "$2" its group, what is left a command. Of the outer /tmp,
---only the folders in $KEPT are there, for the command is in one.
local UNIT <const> = [[
set -e
root=$1 group=$2; shift 2
mkdir -p "$root/outer" "$root/private" && chmod 1777 "$root/private"
mount --rbind /tmp "$root/outer"
mount --bind "$root/private" /var/tmp
cd /var/tmp
for kept in $KEPT; do
  mkdir -p "./${kept#/tmp/}" && mount --rbind "$root/outer/${kept#/tmp/}" "./${kept#/tmp/}"
done
mount --rbind /var/tmp /tmp
cd /
exec setpriv --reuid USER --regid USER --groups "$group" --no-new-privs "$@"
]]

describe("a service with PrivateTmp and a user of its own", function()
  local root, service

  before_each(function()
    root = support.temporary()
    service = "/run/gantry-test-" .. core.system.random(4)
  end)

  after_each(function()
    os.execute("rm -rf " .. service)
    support.remove(root)
  end)

  ---@return boolean? whether it cannot be tried here
  local function untried()
    if core.system.euid() == 0 and hosts.find "counter" and support.engine().endpoint.unix_socket then return false end
    pending "needs root, an engine at a socket, and the hosts, which need a newer Go"
    return true
  end

  ---@param environment string[]
  ---@param command string[]
  ---@return { code: integer, stdout: string, stderr: string }
  local function run(environment, command)
    assert(os.execute(("mkdir -p -m 755 %s && chown %d:%d %s"):format(service, USER, USER, service)))
    assert(os.execute("chmod 755 " .. root))
    local kept, seen = {}, {}
    for _, path in ipairs { root, support.source, hosts.folder } do
      if path:sub(1, 5) == "/tmp/" and not seen[path] then kept[#kept + 1] = path end
      seen[path] = true
    end
    local group = core.system.stat(support.engine().endpoint.unix_socket).gid
    local arguments = { "--mount", "sh", "-c", (UNIT:gsub("USER", tostring(USER))), "unit", root, tostring(group),
      "env", "-u", "TMPDIR", "-u", "XDG_RUNTIME_DIR", "-u", "GANTRY_RUNTIME_DIR", "HOME=/nonexistent" }
    table.move(environment, 1, #environment, #arguments + 1, arguments)
    table.move(command, 1, #command, #arguments + 1, arguments)
    return support.run(arguments, { executable = "/usr/bin/unshare", environment = { "KEPT=" .. table.concat(kept,
      " ") } })
  end

  local function policy(share)
    return hosts.policy(root .. "/counter",
      ('image = "gantry-test-example-counter", disable_network = true, share_tmp = %s'):format(share))
  end

  it("calls back by `gantry host` in the folder that its unit made", function()
    if untried() then return end
    local result = run({ "RUNTIME_DIRECTORY=" .. service }, { support.executable, "host", "--", hosts.find "counter",
      policy "true", "3", "4" })
    assert.are.equal("3\n7\n4 calls of the plugin\n", result.stdout, result.stderr)
    task.run(function() hosts.assert_nothing_left(root .. "/counter", service .. "/gantry") end)
    assert.are.same({ "gantry" }, support.entries(service))
  end)

  it("is told that the engine has another /tmp, with the remedy", function()
    if untried() then return end
    local named = "GANTRY_RUNTIME_DIR=" .. service
    local command = { hosts.find "counter", policy '"/tmp"', "3", "4" }
    local result = run({ named }, command)
    assert.are_not.equal(0, result.code)
    local told = result.stdout .. result.stderr
    assert.is_truthy(told:find("share_tmp: /tmp cannot be shared: /tmp is this service's own (PrivateTmp)", 1, true),
      told)
    assert.is_truthy(told:find("RuntimeDirectory=NAME", 1, true), told)
    assert.is_nil(told:find("panic", 1, true), told)
  end)

  it("is told so before a socket directory is looked for in vain", function()
    if untried() then return end
    local result = run({}, { hosts.find "counter", policy "false", "3", "4" })
    local told = result.stdout .. result.stderr
    assert.is_truthy(told:find(("does not see /tmp/gantry-%d: /tmp is this service's own (PrivateTmp)"):format(USER), 1,
      true), told)
  end)

  it("is warned by `gantry host` that has nothing but /tmp", function()
    if untried() then return end
    local result = run({}, { support.executable, "host", "--", "sh", "-c", "echo $TMPDIR" })
    assert.is_truthy(result.stdout:find("^/tmp/gantry%-host%-"), result.stdout)
    assert.is_truthy(result.stderr:find("warning: /tmp is this service's own (PrivateTmp)", 1, true), result.stderr)
    result = run({ "GANTRY_RUNTIME_DIR=" .. service .. "/made" }, { support.executable, "host", "--", "sh", "-c",
      "echo $TMPDIR" })
    assert.are.equal("", result.stderr)
    assert.is_truthy(result.stdout:find("^" .. service:gsub("%p", "%%%0") .. "/made/gantry%-host%-"), result.stdout)
  end)
end)

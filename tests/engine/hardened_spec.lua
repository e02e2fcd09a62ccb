-- SPDX-License-Identifier: Apache-2.0
--
--- What is asked of an engine that says that an administrator hardened it, where this machine's kernel cannot: a proxy
--- has the engine say so, and the real one takes the request. See tests/engines for userns-remap itself.

local core = require "gantry.core"
local gantry = require "gantry"
local hosts = require "engine.hosts"
local json = require "gantry.json"
local support = require "engine.support"
local task = require "gantry.task"

describe("an engine that says", function()
  local folder, proxy

  before_each(function() folder = support.temporary() end)

  after_each(function()
    if proxy then proxy:signal(9) end
    proxy = nil
    assert.are.same({}, support.containers(folder))
    support.remove(folder)
  end)

  ---An engine that answers what it is with this.
  ---@param answer string of fault_proxy.lua
  ---@return string address
  local function engine_says(answer)
    local socket, ready = folder .. "/engine.sock", task.event()
    if proxy then
      proxy:signal(9)
      os.remove(socket)
    end
    proxy = assert(core.process.spawn(task.loop(), {
      "lua5.4", support.source .. "/tests/engine/fault_proxy.lua", socket, support.engine().endpoint.unix_socket,
      "/info", answer, input = "null", output = "pipe", error = "inherit",
      on_output = function() ready:set() end, on_exit = function() end,
    }))
    ready:wait()
    return "unix://" .. socket
  end

  ---@param answer string
  ---@param changes table? of the policy
  ---@return gantry.Plugin?, gantry.Error?, string warnings
  local function launch(answer, changes)
    local config, warnings = support.kv(), {}
    for name, value in pairs(changes or {}) do config[name] = value end
    local plugin, err = gantry.launch(config, { engine = gantry.engine(engine_says(answer)), runtime_dir = folder
      .. "/run", on_event = function(kind, fields) if kind == "warning" then warnings[#warnings + 1] = fields.text end
      end })
    return plugin, err, table.concat(warnings, "\n")
  end

  ---@param plugin gantry.Plugin
  ---@return table host_config the engine's, of its container
  local function host_config(plugin)
    return support.in_docker_words(plugin.container).HostConfig
  end

  it("SELinux gets a label for the socket directory, and for nothing else", function()
    task.run(function()
      local plugin <close> = assert(launch("SELinux", { mounts = { { source = "/usr/share", target = "/data" } } }))
      local host = host_config(plugin)
      local directory = folder .. "/run/kv"
      assert.are.same({ directory .. ":" .. directory .. ":rw,private,z" }, host.Binds)
      assert.are.equal(1, #host.Mounts)
      assert.are.equal("/usr/share", host.Mounts[1].Source)
    end)
  end)

  it("SELinux gets the labels that the policy asks for", function()
    task.run(function()
      assert(os.execute(("mkdir %s/a %s/b"):format(folder, folder)))
      local plugin <close> = assert(launch("SELinux", { mounts = {
        { source = folder .. "/a", target = "/a", relabel = "private", read_only = true },
        { source = folder .. "/b", target = "/b", relabel = "shared" } } }))
      assert.are.same({ folder .. "/a:/a:ro,private,Z", folder .. "/b:/b:rw,private,z" },
        { table.unpack(host_config(plugin).Binds, 2) })
    end)
  end)

  it("SELinux is not asked to label what is not there, nor a path with a colon", function()
    task.run(function()
      local missing = folder .. "/missing"
      for path, code in pairs { [missing] = "MOUNT_SOURCE_MISSING", [folder .. "/a:b"] = "RELABEL_PATH" } do
        local plugin, err = launch("SELinux", { mounts = { { source = path, target = "/x", relabel = "shared" } } })
        assert.is_nil(plugin)
        assert.are.equal(code, err.code)
        assert.is_truthy(err.message:find(path, 1, true), err.message)
      end
      assert.is_nil(core.system.stat(missing))
    end)
  end)

  it("SELinux has it told that what a policy shares stays closed", function()
    task.run(function()
      local plugin <close>, err, warnings = launch("SELinux", { cwd = "ro" })
      assert(plugin, err)
      assert.is_truthy(warnings:find('security_opt = { "label=disable" }', 1, true), warnings)
      plugin:stop()
      local open <close>, _, quiet = launch("SELinux", { cwd = "ro", security_opt = { "label=disable" } })
      assert.is_truthy(open)
      assert.are.equal("", quiet)
    end)
  end)

  it("nothing of SELinux gets no label", function()
    task.run(function()
      local plugin <close> = assert(gantry.launch(support.kv(), { runtime_dir = folder .. "/run" }))
      assert.is_nil(host_config(plugin).Binds)
    end)
  end)

  it("that it maps users, and not to whom, is refused with the remedy, which works", function()
    task.run(function()
      local plugin, err = launch "userns"
      assert.is_nil(plugin)
      assert.are.equal("USERNS_UNKNOWN", err.code)
      assert.is_truthy(err.message:find('userns_mode = "host"', 1, true), err.message)
      local mapped <close> = assert(launch("userns", { userns_mode = "host" }))
      assert.are.equal("host", host_config(mapped).UsernsMode)
    end)
  end)

  it("nothing of itself, behind a proxy, is taken as it is", function()
    task.run(function()
      local plugin <close> = assert(launch "not allowed")
      assert.are.equal("ready", plugin.state)
    end)
  end)

  it("SELinux labels the directory of a host's plugin too", function()
    if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
    task.run(function()
      local policy = hosts.policy(folder .. "/policy", 'image = "gantry-test-kv:latest", disable_network = true')
      assert(os.execute("mkdir -m 700 " .. folder .. "/run"))
      local host = hosts.start("hold", { policy }, { runtime_dir = folder .. "/run", input = "pipe",
        environment = { "DOCKER_HOST=" .. engine_says "SELinux" } })
      host:await("stdout", "ready")
      local container = support.containers(folder)[1]
      local binds = support.in_docker_words(container.id).HostConfig.Binds
      assert.are.equal(1, #binds)
      assert.is_truthy(binds[1]:find(folder .. "/run/", 1, true) and binds[1]:find ":rw,private,z$", binds[1])
      host.process:close_input()
      assert.are.equal(0, host:wait().code)
      hosts.assert_nothing_left(policy, folder .. "/run")
    end)
  end)

  it("that it is hardened is seen by the doctor beforehand", function()
    task.run(function()
      local function examine(answer, fields)
        local path = support.write(folder .. "/kv.lua", support.policy_text(fields))
        local command = support.command({ "doctor", "--json", path }, { runtime_dir = folder .. "/run", environment = {
          "DOCKER_HOST=" .. engine_says(answer), "GANTRY_STATE_DIR=" .. folder .. "/state" } })
        command:wait()
        local found = {}
        for _, one in ipairs(assert(json.decode(command.stdout), command.stderr).findings) do
          if not found[one.check] or found[one.check].level == "ok" then found[one.check] = one end
        end
        return found
      end
      local mounts = "mounts = { { source = '/usr/share', target = '/data' } },"
      local found = examine("SELinux", mounts)
      assert.are.equal("warning", found.SELinux.level)
      assert.is_truthy(found.SELinux.message:find("/usr/share", 1, true) and found.SELinux.remedy:find "relabel")
      assert.are.equal("ok", examine("SELinux", "").SELinux.level)
      found = examine("userns", "cap_ipc_lock = true,")
      assert.are.equal("problem", found.userns.level)
      assert.are.equal("USERNS_UNKNOWN", found.launch.code)
      assert.are.equal("warning", found.mlock.level)
      found = examine("userns", 'userns_mode = "host", cap_ipc_lock = true,')
      assert.are.same({ "ok", "ok" }, { found.userns.level, found.launch.level })
      assert.is_nil(found.mlock)
    end)
  end)
end)

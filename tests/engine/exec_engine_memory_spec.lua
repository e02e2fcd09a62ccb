-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry exec` on an engine that was asked before: just before, and it is not asked; longer ago, and the container is
--- made while it says what it is, and the plugin starts where that is what it was. Whatever is remembered, nobody is
--- worse off than at the first launch.

local core = require "gantry.core"
local hosts = require "engine.hosts"
local json = require "gantry.json"
local support = require "engine.support"
local task = require "gantry.task"

local PRIVATE_FILE <const> = tonumber("600", 8)

describe("gantry exec, on an engine that it knows,", function()
  local root, runtime_dir, policy, memory, proxy

  before_each(function()
    root = support.temporary()
    runtime_dir, policy, memory = root .. "/run", root .. "/plugin", root .. "/state/engine.json"
    assert(os.execute("mkdir -m 700 " .. runtime_dir))
    hosts.policy(policy, 'image = "gantry-test-kv:latest", disable_network = true, start_timeout = "5s"')
  end)

  after_each(function()
    task.run(function() hosts.assert_nothing_left(policy, runtime_dir) end)
    support.remove(root)
  end)

  ---@param pattern string? of the request that gets an action of tests/engine/fault_proxy.lua; none where nil
  ---@param action string?
  local function start_proxy(pattern, action)
    proxy = hosts.fault_proxy(root .. "/engine.sock", pattern or "none of them", action or "drop")
  end

  ---How often a request was made, as far as is known by now.
  local function count(pattern) return select(2, proxy.said:gsub(pattern, "")) end

  ---Starts the policy as a host would, and ends it once it has said a line.
  ---@return string line, string stderr
  local function launch()
    local command = support.command({}, { executable = policy, runtime_dir = runtime_dir, environment = {
      "DOCKER_HOST=unix://" .. root .. "/engine.sock", "GANTRY_STATE_DIR=" .. root .. "/state",
      "GANTRY_KV_COOKIE=" .. support.cookie[2], "PLUGIN_MIN_PORT=1", "PLUGIN_MAX_PORT=2",
      "PLUGIN_PROTOCOL_VERSIONS=1" } })
    local line = command:await("stdout", "[^\n]+\n")
    support.eventually("the launch is over", function() return #hosts.processes(policy).launcher == 0 end)
    command:kill "TERM"
    command:wait()
    hosts.assert_nothing_left(policy, runtime_dir)
    return line, command.stderr
  end

  ---@param case string? what it is about
  ---@return string stderr
  local function serves(case)
    local line, stderr = launch()
    assert.is_truthy(line:find "^1|1|unix|", ("%s: %s"):format(case, line))
    return stderr
  end

  ---@param fn fun()
  local function over_proxy(fn)
    task.run(function()
      start_proxy()
      fn()
      proxy.process:close()
    end)
  end

  ---@param pattern string
  ---@param action string
  local function restart_proxy(pattern, action)
    proxy.process:close()
    start_proxy(pattern, action)
  end

  local function remembered() return assert(json.decode(assert(core.files.read(memory, 65536)))) end

  ---@param changes table? of what is remembered
  local function age(changes)
    local record = remembered()
    record.asked = record.asked - 60
    for name, value in pairs(changes or {}) do record.info[name] = value end
    assert(core.files.replace(memory, assert(json.encode(record)), PRIVATE_FILE))
  end

  it("asks once where plugins start one after the other", function()
    over_proxy(function()
      for _ = 1, 3 do serves() end
      assert.are.equal(PRIVATE_FILE, core.system.stat(memory).mode)
      assert.are.equal(1, count "/info")
      assert.are.equal(3, count "POST [^\n]*/create")
      age()
      local before = remembered().asked
      serves()
      assert.are.equal(2, count "/info")
      assert.is_true(remembered().asked > before)
    end)
  end)

  it("makes the container while it is asked, and starts nothing before it has answered", function()
    over_proxy(function()
      launch()
      age()
      restart_proxy("/info", "hang")
      assert.matches("took longer than its host waits", launch())
      assert.are.equal(1, count "POST [^\n]*/create")
      assert.are.equal(0, count "POST [^\n]*/start")
      assert.are.equal(1, count "DELETE ")
    end)
  end)

  it("makes it anew where the engine is another one by now", function()
    over_proxy(function()
      launch()
      for field, value in pairs { rootless = true, selinux = true, version = "1.0", runtimes = {},
        cgroup_version = 7 } do
        local before = remembered().info
        age { [field] = value }
        proxy.said = ""
        local stderr = serves(field)
        assert.is_nil(stderr:find("error", 1, true), stderr)
        assert.are.equal(2, count "POST [^\n]*/create", field)
        assert.are.equal(1, count "POST [^\n]*/start", field)
        assert.are.same(before, remembered().info)
      end
    end)
  end)

  it("asks again after a launch that failed", function()
    over_proxy(function()
      launch()
      restart_proxy("/create", "500")
      assert.matches("the engine is broken", launch())
      assert.is_nil(core.system.stat(memory))
    end)
  end)

  it("asks as at the first time where what is remembered is of no use", function()
    over_proxy(function()
      launch()
      local good, info = assert(core.files.read(memory, 65536)), remembered().info
      for _, text in ipairs { "", "{", "[]", "{}", '{"info":{}}', '{"info":[1]}', "\0\255", good:sub(1, -20),
        good:gsub('"kind":"%l+"', '"kind":5'), good:gsub('"rootless":%l+', '"rootless":"no"'),
        good:gsub('"server":"[^"]*"', '"server":"another"'), good:gsub('"api":"[^"]*"', '"api":"9.99"'),
        good:gsub('"asked":[%d.]+', '"asked":"now"'), good:gsub('"asked":[%d.]+', '"asked":1e300'),
        (good:gsub('"boot":"%x+', '"boot":"0')) } do
        assert(core.files.replace(memory, text, PRIVATE_FILE))
        proxy.said = ""
        serves(text)
        assert.are.equal(1, count "POST [^\n]*/create", text)
        assert.are.equal(1, count "/info", text)
        assert.are.same(info, remembered().info)
      end
      assert(os.execute("chmod 666 " .. memory)) -- whoever else may write there
      serves()
      assert.are.equal(PRIVATE_FILE, core.system.stat(memory).mode)
      os.remove(memory)
      assert(os.execute(("ln -s %s %s"):format(policy, memory)))
      serves()
    end)
  end)

  it("believes nothing of what the engine did not confirm", function()
    over_proxy(function()
      for _, answer in ipairs { "not allowed", "500", "garbage for JSON", "SELinux" } do
        launch()
        age()
        restart_proxy("/info", answer)
        serves(answer)
        assert.are.equal(2, count "POST [^\n]*/create", answer)
        assert.are.equal(1, count "POST [^\n]*/start", answer)
      end
    end)
  end)
end)

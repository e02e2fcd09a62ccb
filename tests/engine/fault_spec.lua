-- SPDX-License-Identifier: Apache-2.0
--
--- An engine that breaks off in the middle of a launch: one clear error each time, and nothing left behind.

local core = require "gantry.core"
local gantry = require "gantry"
local support = require "engine.support"
local task = require "gantry.task"

describe("an engine that breaks off", function()
  local runtime_dir, proxy

  before_each(function() runtime_dir = support.temporary() end)

  after_each(function()
    proxy:close()
    assert.are.same({}, support.containers(runtime_dir))
    support.remove(runtime_dir)
  end)

  ---Starts the proxy in front of the real engine and launches through it.
  ---@return gantry.Plugin?, gantry.Error?, string[] warnings
  local function launch_through(pattern, action)
    local socket = runtime_dir .. "/engine.sock"
    local ready, warnings = task.event(), {}
    proxy = assert(core.process.spawn(task.loop(), {
      "lua5.4", support.source .. "/tests/engine/fault_proxy.lua", socket, support.engine().endpoint.unix_socket,
      pattern, action, input = "null", output = "pipe", error = "inherit",
      on_output = function() ready:set() end, on_exit = function() end,
    }))
    ready:wait()
    local engine <close> = assert(gantry.engine("unix://" .. socket))
    local config = support.kv()
    config.start_timeout = 3
    local plugin, err = gantry.launch(config, {
      engine = engine, runtime_dir = runtime_dir,
      on_event = function(kind, fields) if kind == "warning" then warnings[#warnings + 1] = fields.text end end,
    })
    if plugin then plugin:stop() end
    return plugin, err, warnings
  end

  local LOST = { HTTP_FAILED = true, HTTP_CONNECT_FAILED = true, ENGINE_CONNECTION_LOST = true, CONFLICT = true }

  -- A request on a kept connection that is closed is sent once more: what comes of it is a ready plugin or an error.
  for _, case in ipairs {
    { "/json", "drop" }, { "/containers/json", "drop" }, { "/containers/create", "drop" },
    { "/containers/create", "lose" }, { "/containers/create", "abandon" }, { "/attach", "drop" },
    { "/attach", "lose" }, { "/start", "drop" }, { "/start", "lose" },
  } do
    it(("at %s (%s)"):format(case[1], case[2]), function()
      local plugin, err = launch_through(case[1], case[2])
      assert.is_truthy(plugin or LOST[err.code], err and err.code .. ": " .. err.message)
      assert.are.same({ "engine.sock" }, support.entries(runtime_dir))
      task.sleep(1) -- for what the engine is at still
      assert.are.same({}, support.containers(runtime_dir))
    end)
  end

  for _, pattern in ipairs { "/images/", "/attach" } do
    it("for good at " .. pattern, function()
      local plugin, err = launch_through(pattern, "die")
      assert.is_nil(plugin)
      assert.is_truthy(LOST[err.code], err.code .. ": " .. err.message)
      -- Only a new connection can tell what is left; the next launch by this name does.
      local next_one <close> = assert(gantry.launch(support.kv(), { runtime_dir = runtime_dir }))
      assert.are.equal("ready", next_one.state)
    end)
  end

  it("at a start that is never answered", function()
    -- Held before the engine has it: no handshake comes either.
    local plugin, err = launch_through("/start", "hang")
    assert.is_nil(plugin)
    assert.are.equal("START_TIMEOUT", err.code, err.message)
  end)

  it("names what may be left when it is gone for good", function()
    local plugin, err, warnings = launch_through("/containers/create", "die")
    assert.is_nil(plugin)
    assert.is_truthy(LOST[err.code], err.code .. ": " .. err.message)
    assert.is_truthy(warnings[1] and warnings[1]:find("may be left on the engine", 1, true))

    -- And the next launch by the same name finds it.
    local removed
    local next_one <close> = assert(gantry.launch(support.kv(), { runtime_dir = runtime_dir,
      on_event = function(kind, fields) if kind == "leftovers" then removed = fields.containers end end }))
    assert.are.equal("ready", next_one.state)
    assert.are.equal(1, #removed)
  end)
end)

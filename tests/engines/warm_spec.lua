-- SPDX-License-Identifier: Apache-2.0
--
--- What was made ahead, on every engine: taken by a launch, killed, replaced, and gone with its pool.

local gantry = require "gantry"
local matrix = require "engines.matrix"
local pools = require "gantry.plugin.pool"
local support = require "engine.support"
local task = require "gantry.task"
local validate = require("gantry.config").validate
local wire = require "gantry.protobuf.wire"

local case, skip = matrix.cases(it), matrix.skip

local engine = support.engine()
local about = assert(engine:describe())

-- Seconds for one more to be made: some engines share two processors with a whole test run.
local MADE_WITHIN <const> = 120

describe("made ahead on " .. matrix.engine, function()
  local runtime_dir

  before_each(function() runtime_dir = matrix.begin(engine) end)
  after_each(function() matrix.finish(engine, runtime_dir) end)

  ---@return table config of the test plugin
  local function policy()
    local config = support.kv()
    config.runtime, config.start_timeout, config.rootless = matrix.runtime, "60s", about.rootless
    return config
  end

  ---@return table config of a plugin that no socket has to pass for
  local function policy_over_tcp()
    return { name = "tcp", image = "gantry-test-old", runtime = matrix.runtime, start_timeout = "60s",
      stop_timeout = "500ms", networks = { "host" }, args = { "tcp", "127.0.0.1:18397", "127.0.0.1:18397" } }
  end

  ---Waits until one is there that a launch can take.
  ---@param pool gantry.Pool
  ---@return boolean? full, gantry.Error? err why not, for now
  local function await_member(pool)
    local full = task.deadline(MADE_WITHIN, function()
      while #pool.members == 0 and not pool.lacks do task.sleep(0.05) end
      return true
    end)
    assert(full, "none was made in time, and nobody said why")
    return #pool.members > 0, pool.lacks
  end

  ---Launches a plugin that was made ahead, and calls it.
  ---@param launch fun(told: gantry.PluginHandlers): gantry.Plugin?, gantry.Error?
  ---@return gantry.Plugin? plugin, gantry.Error? err SOCKET_NOT_VISIBLE
  local function take(launch)
    local taken
    local plugin, err = launch { on_event = function(kind) taken = taken or kind == "taken" end }
    if not plugin and err.code == "SOCKET_NOT_VISIBLE" then return nil, err end
    assert(plugin, err)
    assert.is_true(taken, "it was not made ahead")
    assert.are.equal("\8\1", plugin:call("grpc.health.v1.Health/Check", wire.bytes_field(1, "plugin")))
    return plugin
  end

  ---Takes one, kills it, and takes the one that came in its place.
  ---@param pool gantry.Pool
  ---@param launch fun(told: gantry.PluginHandlers): gantry.Plugin?, gantry.Error?
  ---@return gantry.Error? err SOCKET_NOT_VISIBLE where the plugin's own does not pass
  local function serve(pool, launch)
    local there, lacks = await_member(pool)
    if not there and lacks.code == "SOCKET_NOT_VISIBLE" then return lacks end
    assert(there, lacks)
    local first <close>, invisible = take(launch)
    if not first then return invisible end
    assert.is_true(first:kill "KILL")
    local exit = first:wait()
    assert.are.same({ "signal", "KILL", 137 }, { exit.cause, exit.signal, exit.code })
    assert(await_member(pool))
    local second <close> = assert(take(launch))
    assert.are_not.equal(first.container, second.container)
    assert.is_true(second:stop().requested)
  end

  ---@param config table
  ---@return gantry.Error? err as of serve
  local function serve_from_pool(config)
    local pool <close> = assert(gantry.pool(config, { size = 1, runtime_dir = runtime_dir }))
    return serve(pool.pool, function(told) return pool:launch(told) end)
  end

  case("warm", function()
    task.run(function()
      -- Where no socket passes, neither does a gate's: then its container was asked over its input.
      if serve_from_pool(policy()) then assert.is_nil(serve_from_pool(policy_over_tcp())) end
    end)
  end)

  case("standby", function()
    return task.run(function()
      local config, size = assert(validate(policy())), 1
      config.name = "kv"
      local function options(more)
        local made = { engine = engine, unique = true, runtime_dir = runtime_dir }
        for key, value in pairs(more) do made[key] = value end
        return made
      end
      local pool = pools.new {
        name = "kv", ahead = "standing", key = function() return "" end, size = function() return size end,
        config = function() return config end, options = function() return options { ahead = "standing" } end,
        tell = function() end,
      }
      local running = task.detached_scope():spawn(pool.run, pool)
      local _ <close> = setmetatable({}, { __close = function()
        task.shield(function()
          size = 0
          pool:poke()
          while not pool:is_empty() do task.sleep(0.05) end
          running:cancel()
        end)
      end })
      local invisible = serve(pool, function(told) return pool:launch(config, options(told)) end)
      return invisible and skip(invisible.message)
    end)
  end)
end)

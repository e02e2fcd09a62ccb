-- SPDX-License-Identifier: Apache-2.0
--
--- library/pool.lua: gantry.pool: containers that wait for a plugin of one policy, in a program's own loop.

local given = require "gantry.library.options"
local handlers = require "gantry.task.handlers"
local pools = require "gantry.plugin.pool"
local task = require "gantry.task"

local library_pool = {}

---@class gantry.PoolOptions: gantry.LoadOptions, gantry.PluginHandlers what handlers are told is of all its plugins
---@field size integer so many wait
---@field runtime_dir string? where the plugins' socket directories are made, instead of the usual place

---@class gantry.LaunchPool
---@field config gantry.Config
---@field options gantry.PoolOptions
---@field pool gantry.Pool
---@field running gantry.Task
local LaunchPool = {}
LaunchPool.__index = LaunchPool

---@param self gantry.LaunchPool
---@param engine gantry.EngineClient
---@param told gantry.PluginHandlers
---@return gantry.PluginOptions
local function options_of(self, engine, told)
  local options = self.options
  return { engine = engine, name = options.name, unique = true, policy = self.policy, runtime_dir = options.runtime_dir,
    environment = options.environment, on_event = told.on_event, on_output = told.on_output }
end

---@param engine gantry.EngineClient
---@param policy gantry.Policy
---@param options gantry.PoolOptions
---@return gantry.LaunchPool
function library_pool.open(engine, policy, options)
  local self = setmetatable({ config = policy.config, policy = policy.path, options = options, engine = engine,
    filled = task.event() }, LaunchPool)
  self.pool = pools.new {
    name = options.name or policy.config.name,
    key = function() return "" end, -- one config is all it ever has
    size = function() return self.closed and 0 or options.size end,
    config = function() return self.config end,
    options = function()
      local made = options_of(self, engine, {})
      made.ahead = "waiting"
      return made
    end,
    tell = function(text) self:changed(text) end,
    changed = function() self:changed() end,
  }
  self.running = task.detached_scope():spawn(self.pool.run, self.pool)
  return self
end

---@param text string? for people
function LaunchPool:changed(text)
  if text then handlers.call(self, "on_event of a pool", self.options.on_event, "warning", { text = text }) end
  local filled = self.filled
  self.filled = task.event()
  filled:set()
end

---How many wait.
---@return integer
function LaunchPool:waiting()
  return #self.pool.members
end

---Waits until it is full, or cannot be.
---@return boolean? full
---@return gantry.Error? err why no more are made for now
function LaunchPool:fill()
  while self:waiting() < self.pool.plan.size() do
    if self.pool.lacks then return nil, self.pool.lacks end
    self.filled:wait()
  end
  return true
end

---Launches a plugin: in a container that waits, where there is one; else as gantry.launch does. Each gets a name of its
---own, such as kv-3fa2b1, and ends with this process, however that ends.
---@param told gantry.PluginHandlers? of this plugin; those of the pool where nil
---@return gantry.Plugin? plugin
---@return gantry.Error? err as of gantry.launch
function LaunchPool:launch(told)
  if self.closed then error("pool closed", 2) end
  told = told and given.check(told, given.HANDLERS, "pool:launch") or self.options
  return self.pool:launch(self.config, options_of(self, self.engine, told))
end

---Takes away what waits, and waits for that. Plugins that were launched run on. Closing twice is allowed.
function LaunchPool:close()
  self.closed = true
  task.shield(function()
    self.pool:poke()
    while not self.pool:is_empty() do self.filled:wait() end
  end)
  self.running:cancel()
end

LaunchPool.__close = LaunchPool.close

return library_pool

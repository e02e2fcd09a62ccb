-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/pool.lua: plugins of one config that were made ahead and wait to be taken up by a launch. It makes one behind
--- each that is taken, when nothing is launched; replaces those that do not fit any more; grows no further than memory
--- allows, and says so.

local LABEL = require("gantry.engine.container").LABEL
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local machine = require "gantry.base.machine"
local plugins = require "gantry.plugin"
local retry = require "gantry.task.retry"
local task = require "gantry.task"
local units = require "gantry.base.units"

local pool = {}

-- Seconds until a making that failed is tried again.
local FIRST_RETRY <const>, LONGEST_RETRY <const> = 1, 60
-- The part of the machine's memory that a pool leaves to others.
local RESERVE <const> = 1 / 16

---@class gantry.PoolPlan what a pool is to hold; all of it may change
---@field name string the plugin's
---@field size fun(): integer
---@field config fun(): gantry.Config
---@field key fun(config: gantry.Config): string what makes one fit a config
---@field options fun(): gantry.PluginOptions of gantry.plugin's prepare
---@field ahead "waiting"|"standing"
---@field turn (fun(): fun())? waits until one may be made; returns what ends that
---@field tell fun(text: string) takes what a person should know
---@field changed fun()? it has lost some, or got some

---@class gantry.Pool
---@field members gantry.Plugin[] that wait, the oldest first
---@field lacks gantry.Error? why it is not full
local Pool = {}
Pool.__index = Pool

---@param plan gantry.PoolPlan
---@return gantry.Pool which makes nothing before it runs
function pool.new(plan)
  return setmetatable({ plan = plan, members = {}, changed = task.event(), leaving = 0, launching = 0,
    round = 0 }, Pool)
end

---Looks at once whether its members fit what is wanted, and has it look whether some are to be made.
function Pool:poke()
  self:sort_out()
  local changed = self.changed
  self.changed = task.event()
  changed:set()
end

---@param member gantry.Plugin
function Pool:discard(member)
  self.leaving = self.leaving + 1
  task.detach(function()
    task.shield(member.discard, member)
    self.leaving = self.leaving - 1
    self:notify()
  end)
end

function Pool:notify()
  if self.plan.changed then self.plan.changed() end
end

---Lets those go that do not fit, or are too many.
function Pool:sort_out()
  local size, key = self.plan.size(), nil
  for i = #self.members, 1, -1 do
    key = key or self.plan.key(self.plan.config())
    if i > size or self.members[i].fits ~= key then self:discard(table.remove(self.members, i)) end
  end
end

---Has all that wait replaced: they would be made otherwise now.
function Pool:outdate()
  for _, member in ipairs(self.members) do member.fits = nil end
  self.round = self.round + 1
  self:poke()
end

---Whether nothing is left of it, nor being made.
---@return boolean
function Pool:is_empty()
  return #self.members == 0 and self.leaving == 0 and not self.making
end

---@param key string
---@return boolean
function Pool:wants(key)
  return #self.members < self.plan.size() and self.plan.key(self.plan.config()) == key
end

-- ---- growing ----

---Whether memory allows one more, each of which may once take what its config lets it.
---@param config gantry.Config
---@return gantry.Error? err
function Pool:check_memory(config)
  local available, total = machine.available_memory(), core.system.memory()
  local promised = (#self.members + 1) * (config.memory or 0)
  if not available or available - promised >= total * RESERVE then return nil end
  return errors.new("POOL_MEMORY", ("memory allows no more: %s of %s are available, each may take %s"):format(
    units.format_bytes(available), units.format_bytes(total),
    config.memory and units.format_bytes(config.memory) or "what it needs"))
end

---Waits until no launch is under way.
function Pool:await_quiet()
  while self.launching > 0 do self.changed:wait() end
end

---@param config gantry.Config
---@return gantry.Plugin? member, gantry.Error? err
function Pool:make(config)
  local lacks = self:check_memory(config)
  if lacks then return nil, lacks end
  self:await_quiet()
  local release = self.plan.turn and self.plan.turn() or function() end
  local _ <close> = setmetatable({}, { __close = release })
  local member, err = plugins.prepare(config, self.plan.options())
  -- The first of its runtime has shown how the others are to be asked.
  if err and err.by_input then return plugins.prepare(config, self.plan.options()) end
  return member, err
end

---A member that ends by itself, or is taken away by somebody, is replaced.
---@param member gantry.Plugin
function Pool:watch(member)
  task.detach(function()
    member.ended:wait()
    for i, one in ipairs(self.members) do
      if one == member then
        table.remove(self.members, i)
        self:poke()
        self:notify()
      end
    end
  end)
end

---Makes one more; broken off where it is not wanted any more.
---@return boolean? grown nil with why not; false where it is not wanted any more
---@return gantry.Error? err
function Pool:grow()
  local config = self.plan.config()
  local key, round = self.plan.key(config), self.round
  self.making = true
  local _ <close> = setmetatable({}, { __close = function()
    self.making = false
    self:notify()
  end })
  local member, err
  task.first(function() member, err = self:make(config) end, function()
    while self:wants(key) do self.changed:wait() end
  end)
  if not member then return err and nil, err end
  if round ~= self.round then return self:discard(member) or false end
  self:add(member, key)
  return true
end

---@param member gantry.Plugin
---@param key string
function Pool:add(member, key)
  member.fits = key
  table.insert(self.members, member)
  self:watch(member)
end

---Takes over those that a process made that is gone, where they fit; before it runs. The others are left as they are.
---@param found { container: string, name: string, directory: string, fits: string?, by_input: boolean? }[]
function Pool:adopt(found)
  local config = self.plan.config()
  local key = self.plan.key(config)
  for _, one in ipairs(found) do
    if one.fits == key and #self.members < self.plan.size() then
      local options = self.plan.options()
      options.found, options.directory_name = one, one.directory:match "[^/]+$"
      options.labels = { [LABEL.unique] = options.directory_name }
      local member = plugins.prepare(config, options)
      if member then self:add(member, key) end
    end
  end
end

---@param err gantry.Error
function Pool:lack(err)
  if not self.lacks or self.lacks.message ~= err.message then
    self.plan.tell(("%d of %d containers %s for plugin '%s', and no more are made for now: %s"):format(#self.members,
      self.plan.size(), self.plan.ahead == "standing" and "stand by" or "wait", self.plan.name, err.message))
  end
  self.lacks = err
end

---Keeps it as full as it is to be. Ends only where it is cancelled: then its members are still there.
function Pool:run()
  local again = retry.new(FIRST_RETRY, LONGEST_RETRY)
  while true do
    local changed = self.changed
    self:sort_out()
    if #self.members >= self.plan.size() then
      self.lacks = nil
      changed:wait()
    else
      local grown, err = self:grow()
      if grown then again:reset() end
      if err then
        self:lack(err)
        again:pause()
      end
    end
  end
end

-- ---- what it is for ----

---@param config gantry.Config
---@return integer? index of a member that a launch can take up
function Pool:find(config)
  local key = #self.members > 0 and self.plan.key(config)
  for i, member in ipairs(self.members) do
    if member.fits == key and not member.stream_ended and not member.finished then return i end
  end
end

---A launch may follow in a moment: what it will look at first is looked at beside the decision on it.
---@param config gantry.Config
function Pool:look_ahead(config)
  local index = self:find(config)
  if index then self.members[index]:look_ahead() end
end

---Takes one that waits, for a caller who launches it, and owns it from here on.
---@param config gantry.Config
---@return gantry.Plugin? member nil where none can be used
function Pool:take(config)
  local index = self:find(config)
  local member = index and table.remove(self.members, index) or nil
  if member then self:notify() end
  return member
end

---Launches a plugin: out of one that waits, where there is one that can be used; else as any other.
---@param config gantry.Config
---@param options gantry.PluginOptions
---@param otherwise (fun(config: gantry.Config, options: gantry.PluginOptions): gantry.Plugin?, gantry.Error?)? launches
--- where none waits that can be used
---@return gantry.Plugin? plugin, gantry.Error? err
function Pool:launch(config, options, otherwise)
  self.launching = self.launching + 1
  local _ <close> = setmetatable({}, { __close = function()
    self.launching = self.launching - 1
    self:poke()
  end })
  while true do
    local member = self:take(config)
    options.taken = member
    if not member then return (otherwise or plugins.launch)(config, options) end
    local launched, err = plugins.launch(config, options)
    -- What begins as the plugin is a launch like any other; before that another container may do.
    if launched or member.begun then return launched, err end
    self.plan.tell(("a container that waited for plugin '%s' could not be used: %s"):format(self.plan.name,
      err.message))
  end
end

---Leaves its members running, for whoever comes next.
function Pool:let_go()
  for _, member in ipairs(self.members) do member:let_go() end
  self.members = {}
end

return pool

-- SPDX-License-Identifier: Apache-2.0
--
--- top/feeds.lua: what comes from the control socket into a model: the plugins with their figures, each period and as
--- soon as something happens; the journal and the output of the one that is selected. A `gantry up` that goes is asked
--- again until it is back.

local answers = require("gantry.control.answer").types
local client = require "gantry.control.client"
local core = require "gantry.core"
local task = require "gantry.task"

local feeds = {}

-- Seconds between two regular looks; between two at all, however much happens; until what ended is asked for again;
-- until what is selected is asked for, as somebody may only pass by.
local PERIOD <const>, SHORTEST <const>, RETRY <const>, SETTLE <const> = 2, 0.2, 2, 0.1
local TAIL <const> = 500

---@class gantry.TopFeeds
---@field control string? path of the socket
---@field model gantry.TopModel
---@field changed fun() called whenever the model has
---@field scope gantry.Scope
---@field happened gantry.Event set by what happens, and replaced
---@field journal gantry.Event the same for the plugin that is selected
---@field selected string? whose journal and output come
---@field following gantry.Task?
local Feeds = {}
Feeds.__index = Feeds

---Speaks to gantry up by a connection that is closed in the end.
---@param control string? path of the socket
---@param speak fun(one: gantry.ControlClient): any, gantry.Error?
---@return any value, gantry.Error? err
local function with_client(control, speak)
  local one, err = client.open(control)
  if not one then return nil, err end
  local _ <close> = setmetatable({}, { __close = function() one:close() end })
  return speak(one)
end

---@param one gantry.ControlClient
---@return table? value, gantry.Error? err
local function look(one)
  return one:call("GET", "/v1/plugins?stats=1", answers.plugins)
end

---The plugins as they are, before there is any screen.
---@param control string? path of the socket
---@return table? value, gantry.Error? err
function feeds.first(control)
  return with_client(control, look)
end

---Has something done to a plugin.
---@param control string? path of the socket
---@param verb "start"|"stop"|"restart"
---@param name string
---@return table? plugin, gantry.Error? err
function feeds.act(control, verb, name)
  return with_client(control, function(one)
    return one:call("POST", client.plugin_path(name, verb), answers.plugin)
  end)
end

---@param err gantry.Error
function Feeds:lost(err)
  self.model.trouble = err.message
  self.changed()
end

---Looks at the plugins until that fails.
---@param one gantry.ControlClient
---@return nil, gantry.Error? err
function Feeds:look_on(one)
  local due = 0
  while true do
    local value, err = look(one)
    if not value then return nil, err end
    local now = core.loop.clock()
    self.model:take_plugins(value, now >= due)
    if now >= due then due = now + PERIOD end
    self:follow_selected()
    self.changed()
    task.sleep(SHORTEST)
    task.deadline(due - core.loop.clock(), self.happened.wait, self.happened)
    self.happened = task.event()
  end
end

function Feeds:watch_plugins()
  while true do
    local _, err = with_client(self.control, function(one) return self:look_on(one) end)
    self:lost(err)
    task.sleep(RETRY)
  end
end

---Hears what happens to any of them.
function Feeds:watch_events()
  while true do
    with_client(self.control, function(one)
      return one:follow("/v1/events", answers.event, function(event)
        self.happened:set()
        if event and event.plugin == self.selected then self.journal:set() end
      end)
    end)
    task.sleep(RETRY)
  end
end

---@param name string
function Feeds:watch_journal(name)
  while true do
    self.journal = task.event()
    local value = with_client(self.control, function(one)
      return one:call("GET", client.plugin_path(name, "why"), answers.why)
    end)
    if value then
      self.model.why = value.entries
      self.changed()
    end
    task.sleep(SHORTEST)
    self.journal:wait()
  end
end

---@param name string
function Feeds:watch_output(name)
  local path = ("%s?tail=%d&follow=1"):format(client.plugin_path(name, "logs"), TAIL)
  while true do
    self.model:clear_log()
    with_client(self.control, function(one)
      return one:follow(path, answers.log, function(entry)
        if entry then self.model:add_log(entry) end
        self.changed()
      end)
    end)
    task.sleep(RETRY)
  end
end

---Turns to what is selected now.
function Feeds:follow_selected()
  local name = self.model.selected
  if name == self.selected then return end
  if self.following then self.following:cancel() end
  self.selected = name
  self.model:forget()
  self.following = name and self.scope:spawn(function()
    task.sleep(SETTLE)
    task.all(function() self:watch_journal(name) end, function() self:watch_output(name) end)
  end)
end

---Feeds a model for as long as the scope is there.
---@param control string? path of the socket
---@param model gantry.TopModel
---@param scope gantry.Scope
---@param changed fun()
---@return gantry.TopFeeds
function feeds.begin(control, model, scope, changed)
  local self = setmetatable({ control = control, model = model, changed = changed, scope = scope,
    happened = task.event(), journal = task.event() }, Feeds)
  scope:spawn(self.watch_plugins, self)
  scope:spawn(self.watch_events, self)
  return self
end

return feeds

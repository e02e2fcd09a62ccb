-- SPDX-License-Identifier: Apache-2.0
--
--- top/session.lua: the screen from its first look to its end. It owns the terminal and the signals.

local c_module = require "gantry.base.c_module"
local color = require "gantry.text.color"
local core = require "gantry.core"
local draw = require "gantry.top.draw"
local errors = require "gantry.base.errors"
local feeds = require "gantry.top.feeds"
local keys = require "gantry.top.keys"
local models = require "gantry.top.model"
local task = require "gantry.task"

local session = {}

local STDIN <const>, STDOUT <const> = 0, 1
-- Seconds between two drawings: what comes faster than that nobody sees.
local PACE <const> = 0.05

---@class gantry.TopSession
---@field screen table of core.screen
---@field model gantry.TopModel
---@field control string? path of the socket
---@field dirty gantry.Event set where the screen is to be drawn, and replaced
---@field leaving gantry.Event
---@field anew boolean whether it is to be painted anew
---@field scope gantry.Scope?
---@field feeds gantry.TopFeeds?
local Session = {}
Session.__index = Session

---@param err gantry.Error
---@return gantry.Error
local function no_screen(err)
  return errors.new(err.code, ("top: %s; `gantry ps --watch` needs no screen"):format(err.message),
    { cause = err })
end

---What can be known before anything begins.
---@return boolean? ok, gantry.Error? err
function session.check()
  if not (core.system.is_terminal(STDIN) and core.system.is_terminal(STDOUT)) then
    return nil, no_screen(errors.new("SCREEN_UNSUPPORTED", "standard input and output must be a terminal"))
  end
  if os.getenv "TERM" == "dumb" then
    return nil, no_screen(errors.new("SCREEN_UNSUPPORTED", "TERM is dumb: the terminal cannot show a screen"))
  end
  return true
end

-- ---- output ----

---Waits until the terminal takes something: one that is held must not hold the loop.
local function await_terminal()
  if core.system.is_writable(STDOUT) then return end
  task.await(function(resume)
    local watch
    watch = assert(task.loop():watch(STDOUT, "w", function()
      watch:close()
      resume()
    end))
    return function() watch:close() end
  end)
end

function Session:draw_on()
  while true do
    self.dirty:wait()
    await_terminal()
    self.dirty = task.event()
    draw.all(self.model, self.screen)
    self.screen:show(self.anew)
    self.anew = false
    task.sleep(PACE)
  end
end

-- ---- keys and signals ----

---@return gantry.TopHands
function Session:hands()
  return {
    act = function(verb, name) self.scope:spawn(self.act, self, verb, name) end,
    leave = function() self.leaving:set() end,
    repaint = function() self.anew = true end,
    page = function() return draw.page(self.model, (self.screen:size())) end,
  }
end

---@param verb "start"|"stop"|"restart"
---@param name string
function Session:act(verb, name)
  self.model:say(("%s %s: on its way"):format(verb, name), "plain")
  self.dirty:set()
  local plugin, err = feeds.act(self.control, verb, name)
  if plugin then
    local as_asked = plugin.state == (verb == "stop" and "stopped" or "ready")
    local detail = not as_asked and plugin.detail and ", " .. plugin.detail or ""
    self.model:say(("%s %s: %s%s"):format(verb, name, plugin.state, detail), as_asked and "good" or "warning")
  else
    self.model:say(("%s %s: %s"):format(verb, name, err.message), "error")
  end
  self.feeds.happened:set()
  self.dirty:set()
end

function Session:on_input()
  while true do
    local key, ended = self.screen:key()
    if ended then return self:on_terminal_gone() end
    if not key then break end
    keys.press(self.model, key, self:hands())
  end
  self.feeds:follow_selected()
  self.dirty:set()
end

function Session:on_terminal_gone()
  self.input:close()
  self.leaving:set()
end

---@param name string
function Session:on_signal(name)
  if name ~= "WINCH" and name ~= "TSTP" then return self.leaving:set() end
  if name == "TSTP" then
    self.screen:suspend()
    self.anew = true
  end
  self.dirty:set()
end

-- ---- the session ----

---@param first table answer of the first look
function Session:main(first)
  local scope <close> = task.scope()
  self.scope = scope
  self.model:take_plugins(first, false)
  self.feeds = feeds.begin(self.control, self.model, scope, function() self.dirty:set() end)
  self.feeds:follow_selected()
  self.input = assert(task.loop():watch(STDIN, "r", function() self:on_input() end))
  local _ <close> = setmetatable({}, { __close = function() self.input:close() end })
  scope:spawn(self.draw_on, self)
  self.leaving:wait()
end

---Runs it until somebody leaves it.
---@param options { control: string?, sort: string? }
---@return boolean? ok, gantry.Error? err
function session.run(options)
  local module, missing = c_module.load "screen"
  if not module then return nil, missing end
  local guarded, unguarded = module.guard()
  if not guarded then return nil, unguarded end
  local first, err = task.run(feeds.first, options.control)
  if not first then return nil, err end
  local screen <close>, unfit = module.open(color.of(STDOUT).on)
  if not screen then return nil, no_screen(unfit) end
  local self = setmetatable({ screen = screen, model = models.new(options.sort), control = options.control,
    dirty = task.event(), leaving = task.event(), anew = false }, Session)
  self.model.blocks = screen:has_unicode() and os.getenv "TERM" ~= "linux" -- whose fonts have few of them
  self.dirty:set()
  local signals <close>, deaf = core.signals.open(task.loop(), { "INT", "TERM", "HUP", "TSTP", "WINCH" },
    function(name) self:on_signal(name) end)
  if not signals then return nil, deaf end
  task.run(self.main, self, first)
  return true
end

return session

-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/ahead.lua: a plugin's life that begins before anybody wants it, and is taken up later by a launch. It is the
--- same life as any other's; what is done when is in the table below.
---
---   waiting    its container runs, and waits at its gate for a plugin
---   standing   the plugin runs, has shaken hands and is healthy; it has no address yet

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local events = require "gantry.plugin.events"
local find_image = require "gantry.plugin.find_image"
local gate = require "gantry.plugin.gate"
local ownership = require "gantry.place.ownership"
local steps = require("gantry.plugin.launch").steps
local task = require "gantry.task"

local ahead = {}

-- Seconds for which a launch takes what was looked up beside the decision on it: no more than its own first step has.
local LOOKED_UP_FOR <const> = 0.25

---From here on it serves somebody.
---@param plugin gantry.Plugin
local function keep_record(plugin)
  steps.keep_record(plugin)
  plugin:event("taken", { container = plugin.container, stood = plugin.connection ~= nil })
  return true
end

---One that stood by long may hang by now. What does not speak gRPC cannot be asked.
---@param plugin gantry.Plugin
local function check_health(plugin)
  if not plugin.connection then return true end
  return plugin.connection:health(plugin.config.start_timeout)
end

---The image's name may mean another one by now.
---@param plugin gantry.Plugin
---@param image_id string? of its container
---@return boolean? ok, gantry.Error? err
local function check_image(plugin, image_id)
  if plugin.image.id == image_id then return true end
  return nil, errors.new("GATE_OUTDATED", ("the container that waited for plugin '%s' is of image %s, which is another "
    .. "one by now"):format(plugin.name, tostring(image_id):sub(1, 19)))
end

---A launch will take it up in a moment: its image is looked up beside what is still to be decided. Nothing is fetched.
---@param plugin gantry.Plugin that waits
function ahead.look_up(plugin)
  if plugin.state ~= "waiting" or plugin.config.pull == "always" then return end
  local fits, image = task.event(), plugin.image
  plugin.looked_up = { fits = fits, began = core.loop.clock() }
  task.detach(function()
    local ok = find_image.look_up(plugin) and check_image(plugin, image.id)
    if not ok then plugin.image = image end -- of which the container is
    fits:set(ok)
  end)
end

---Whether the image was looked up a moment ago, and is the one that the container is of.
---@param plugin gantry.Plugin
---@return boolean
local function is_looked_up(plugin)
  local looked_up = plugin.looked_up
  plugin.looked_up = nil
  if not looked_up or not looked_up.fits:wait() or core.loop.clock() - looked_up.began > LOOKED_UP_FOR then
    return false
  end
  plugin:event("image", { reference = plugin.reference, id = plugin.image.id })
  return true
end

---What a fresh container would be refused for, or made of, is so now.
---@param plugin gantry.Plugin
local function find_image_again(plugin)
  local made_of = plugin.image.id
  if is_looked_up(plugin) then return true end
  local ok, err = find_image.run(plugin)
  if not ok then return nil, err end
  return check_image(plugin, made_of)
end

---Whether one that waits is what a fresh one would be.
---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function ahead.check(plugin)
  local ok, err = find_image_again(plugin)
  if not ok then return nil, err end
  return steps.check_runtime(plugin)
end

---Takes over one that a process made that is gone. Nobody else holds its directory.
---@param plugin gantry.Plugin
local function take_over(plugin)
  local found = plugin.options.found
  local root, name = ownership.split(found.directory)
  local directory, held = core.socket_dir.adopt(root, name)
  if not directory then return nil, held end
  plugin.root, plugin.directory = root, directory
  plugin.container, plugin.container_name = found.container, found.name
  local inspected, unknown = plugin.engine:inspect(found.container)
  if not inspected then return nil, unknown end
  local fits, outdated = check_image(plugin, inspected.image_id)
  if not fits then return nil, outdated end
  local spec, unbuildable = steps.describe(plugin)
  if not spec then return nil, unbuildable end
  plugin.late_environment, plugin.has_init, plugin.asked_by_input = spec.env, spec.init, found.by_input
  plugin.started = task.event()
  plugin.started:set(true)
  return true
end

---@param prefix string of their names, for who follows them
---@param names string of steps of gantry.plugin.launch
---@param own table<string, fun(plugin: gantry.Plugin): boolean?, gantry.Error?>? those of this file
---@return { [1]: string, [2]: function }[]
local function list(prefix, names, own)
  local found = {}
  for name in names:gmatch "%S+" do
    found[#found + 1] = { prefix .. name, own and own[name] or assert(steps[name], name) }
  end
  return found
end

local OWN <const> = { find_image_again = find_image_again, keep_record = keep_record, await_gate = gate.await,
  ask_gate = gate.ask, check_health = check_health, look_up = find_image.look_up, take_over = take_over }
local MADE <const> = "find_image check_runtime open_directory remove_leftovers create attach start "

---What leads to each state, and what from there to a plugin that is ready.
---@type table<string, { make: table, adopt: table?, take: table }>
local STATES <const> = {
  waiting = {
    make = list("ahead.", MADE .. "await_gate", OWN),
    adopt = list("adopted.", "look_up check_runtime find_group take_over attach await_gate", OWN),
    take = list("taken.",
      "find_image_again check_runtime hold_name keep_record ask_gate await_handshake connect publish keep", OWN),
  },
  standing = {
    make = list("ahead.", MADE .. "await_gate ask_gate await_handshake connect", OWN),
    take = list("taken.", "check_health hold_name publish keep_record keep", OWN),
  },
}

---@param options gantry.PluginOptions
---@return { [1]: string, [2]: function }[]
function ahead.steps_to(options)
  return options.found and STATES[options.ahead].adopt or STATES[options.ahead].make
end

---The names of the steps to a state, by either way, and from there to ready.
---@param state string
---@return string[]
function ahead.names(state)
  local names = {}
  for _, some in ipairs { STATES[state].make, STATES[state].take, STATES[state].adopt } do
    for _, step in ipairs(some) do names[#names + 1] = step[1] end
  end
  return names
end

---A launch takes it up: from here on it is that launch's plugin.
---@param plugin gantry.Plugin in a state of the table
---@param config gantry.Config
---@param options gantry.PluginOptions
---@return { [1]: string, [2]: function }[] steps that are left
function ahead.take(plugin, config, options)
  local left = STATES[plugin.state].take
  local made = plugin.options
  local taken = {}
  for key, value in pairs(options) do taken[key] = value end
  taken.directory_name, taken.labels, taken.unique = made.directory_name, made.labels, made.unique
  plugin.config, plugin.options, plugin.state, plugin.began = config, taken, "launching", core.loop.clock()
  plugin.begun = nil
  plugin.directory_name, plugin.handshake_ms = made.directory_name, plugin.handshake_ms and 0
  plugin.output.handlers.on_output = events.output_taker(plugin)
  return left
end

return ahead

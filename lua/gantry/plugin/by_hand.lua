-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/by_hand.lua: the command that starts a plugin's container as gantry does, for people who look into a failure.
--- Values of variables that may be secret are not in it: they are taken from the environment of who types it.

local by_hand = {}

-- Variables whose values are no secret: go-plugin's own, and what images use to say where things are. The client's
-- certificate is left out: without its key, which gantry has, nobody could connect.
local PUBLIC = { PATH = true, TMPDIR = true }
local LEFT_OUT = { PLUGIN_CLIENT_CERT = true }

---@class gantry.Shown whose values may be shown
---@field all boolean?
---@field cookie string? the name of the magic cookie's variable
---@field masked table<string, boolean>? variables that are shown in no case

---Whether a variable's value may be shown.
---@param name string
---@param show gantry.Shown
---@return boolean
function by_hand.is_public(name, show)
  if show.masked and show.masked[name] then return false end
  return show.all or PUBLIC[name] or name == show.cookie or name:find("^PLUGIN_") ~= nil
end

---@param entries string[] NAME=value
---@param show gantry.Shown
---@return string[] entries with names alone where the value is not shown
local function variables(entries, show)
  local list = {}
  for _, entry in ipairs(entries) do
    local name = entry:match("^[^=]*")
    if not LEFT_OUT[name] then list[#list + 1] = by_hand.is_public(name, show) and entry or name end
  end
  return list
end

---The command, as one line for a shell.
---@param engine gantry.EngineClient
---@param spec gantry.ContainerSpec
---@param show gantry.Shown
---@param directory string its socket directory
---@return string? line nil where the engine has none
function by_hand.command(engine, spec, show, directory)
  local shown = {}
  for key, value in pairs(spec) do shown[key] = value end
  shown.env = variables(spec.env, show)
  return engine:command(shown, { directory = directory })
end

return by_hand

-- SPDX-License-Identifier: Apache-2.0
--
--- left_out.lua: which cases of the engine's specs are not run on the engine without a daemon, and why: a helper of
--- busted, loaded by without_daemon.sh. They are shown as pending, with their reason.

local busted = require "busted"

-- Reasons.
local DAEMON <const> = "about a daemon that is away, or a connection to it that breaks"
local TLS <const> = "about an engine that is reached over TLS"
local DOCKER <const> = "about a request in Docker's own words; lua/oci_runtime_spec has this engine's"
local OTHERS <const> = "about containers that others than gantry make on the engine: here there are none"
local OWNER <const> = "about what a killed gantry leaves: here a container that is not to outlive it ends with it"
local HAND_OVER <const> = "about a launcher that hands its container over and goes: here it stays with it"
local USERS <const> = "about users who share an engine: here each has images and containers of their own"
local BUILT <const> = "about an image that docker build makes for the case"

-- By file of the spec: words of tests' whole names, and reasons.
local LEFT_OUT <const> = {
  attach = {
    ["cleans up after a plugin whose owner was killed"] = OWNER,
    ["says what cannot be"] = OTHERS,
    ["a container of plugincontainer's"] = OTHERS,
  },
  credentials = {
    ["a user that the image alone knows by number"] = BUILT,
    ["are in nothing that is shown or kept"] = DOCKER,
  },
  doctor = { ["finds what a killed gantry left"] = OWNER },
  binary = {
    ["that is replaced while it is loaded"] = "the file is read anew by its path, and another one refused",
    ["does not believe an image of its name"] = OTHERS,
  },
  exec = {
    ["behind TLS"] = TLS,
    ["hands in what the host set for its plugin, and nothing of its own, where it is left out"] = "about a host that "
      .. "hands gantry no environment, which names this engine in the tests",
  },
  exec_ask = { ["behind TLS"] = TLS, ["an engine that is away"] = DAEMON },
  exec_engine_memory = { [""] = "about a daemon that takes its time to say what it is" },
  exec_kill = {
    ["over a proxy that cuts"] = DAEMON,
    ["when all that looks after a plugin is killed at once"] = HAND_OVER,
  },
  exec_outlive = {
    ["takes it along otherwise, and the next one's log says so"] = HAND_OVER,
    ["tells the next one that its process was killed"] = HAND_OVER,
    ["takes it along before its launch is over"] = DAEMON,
    ["where the launch holds its connections to the engine"] = TLS,
  },
  files = { ["behind TLS"] = TLS, ["of a group of the caller's"] = USERS },
  first_mistakes = { ["is an image that only another engine has"] = DAEMON },
  launch = { ["by the signal that the policy names, or the image"] = BUILT },
  power_loss = { [""] = OWNER },
  refusal = {
    ["by a group that the caller may not give files to"] = USERS,
    ["that only this process sees"] = "about a daemon with mounts of its own: here containers have those of gantry",
  },
  run = {
    ["removes after kill -9 what was left"] = OWNER,
    ["shows nothing of a value from the plan"] = DOCKER,
  },
  up_begin = {
    ["waits for an engine that comes later"] = DAEMON,
    ["reads a policy again that the engine did not answer"] = DAEMON,
  },
  up_stats = { ["while the engine is away"] = DAEMON },
}
-- But these.
local RUN <const> = { power_loss = { ["starts its own plugins where nothing is left"] = true } }

---@param file string
---@param whole string
---@return string? reason
local function reason_of(file, whole)
  for words in pairs(RUN[file] or {}) do
    if whole:find(words, 1, true) then return nil end
  end
  for words, reason in pairs(LEFT_OUT[file] or {}) do
    if whole:find(words, 1, true) then return reason end
  end
end

local file, names = "", {} -- where busted is

busted.subscribe({ "file", "start" }, function(element)
  file, names = element.name:match "([%w_]+)_spec%.lua$" or "", {}
  return nil, true
end)
busted.subscribe({ "describe", "start" }, function(element)
  table.insert(names, element.name)
  return nil, true
end)
busted.subscribe({ "describe", "end" }, function()
  table.remove(names)
  return nil, true
end)

busted.subscribe({ "register", "it" }, function(name, fn, trace, attributes)
  local whole = table.concat(names, " ") .. " " .. name
  local reason = reason_of(file, whole)
  if not reason then return nil, true end
  busted.publish({ "register", "pending" }, ("%s (left out: %s)"):format(name, reason), fn, trace, attributes)
  return nil, false
end, { priority = 1 })

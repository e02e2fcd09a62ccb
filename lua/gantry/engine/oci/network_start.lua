-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/network_start.lua: brings a container's user-mode network up, which a helper carries beside it. The
--- container is there by then, and its gate waits: the plugin has not begun.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local layout = require "gantry.engine.oci.layout"
local network = require "gantry.engine.oci.network"
local runtime_calls = require "gantry.engine.oci.runtime_calls"
local task = require "gantry.task"

local network_start = {}

-- Seconds for a helper to be ready.
network_start.TIMEOUT = 30
-- Seconds between two looks at its file.
local LOOK_AGAIN <const> = 0.02
local LONGEST_MESSAGE <const> = 600

---@param path string
---@return string? said
local function said(path)
  local text = (layout.read(path) or ""):gsub("%s+", " "):gsub("%c", "?"):match "^%s*(.-)%s*$"
  return text ~= "" and text:sub(-LONGEST_MESSAGE) or nil
end

---@param path string
---@param ready gantry.Event which is set once the helper's number is there
local function watch_pid_file(path, ready)
  while not ready:is_set() do
    if (core.files.read(path, 16, true) or ""):find "^%d+" then ready:set(true) end
    task.sleep(LOOK_AGAIN)
  end
end

---@param ready gantry.Event
---@param helper gantry.NetworkHelper
---@return boolean? ok, gantry.Error? err
local function await(ready, helper)
  if not helper.pid_file then return ready:wait() end
  return task.first(function() return ready:wait() end, function()
    watch_pid_file(helper.pid_file, ready)
    return ready:wait()
  end)
end

---@param place gantry.OciLayout
---@param record gantry.OciRecord with a helper
---@param monitor gantry.Monitor
---@param pid integer the container's first process
---@return boolean? ok, gantry.Error? err NETWORK_FAILED
function network_start.run(place, record, monitor, pid)
  local directory = place:container(record.id)
  local helper, log = network.helper(record.helper, pid, directory), directory .. "/" .. network.LOG_FILE
  local ready, err = monitor:help(record.helper, helper.arguments, log)
  local ok
  if ready then ok, err = task.deadline(network_start.TIMEOUT, await, ready, helper) end
  if ok then return true end
  local words = said(log)
  return nil, errors.new("NETWORK_FAILED", ("networks: the plugin was not started, since its user-mode network did not "
    .. "come up: %s%s; correct that, or take { \"host\" } or disable_network"):format(err.code == "DEADLINE_EXCEEDED"
    and ("%s was not ready within %s s"):format(record.helper, network_start.TIMEOUT) or err.message,
    words and ", and said: " .. words or ""), { cause = err, field = "networks" })
end

---Ends a helper that its monitor, which was killed, could not: pasta joins the container's user namespace, by which the
---kernel forgets whom it was to die with.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
function network_start.end_left_over(place, record)
  local path = place:container(record.id) .. "/" .. network.PID_FILE
  local pid = record.helper and math.tointeger(tonumber((core.files.read(path, 16, true) or ""):match "^%d+"))
  -- A number may be another's by now: whose command line names this container's directory is ours.
  local line = pid and core.files.read(("/proc/%d/cmdline"):format(pid), 4096)
  if not line or not line:find("\0" .. path .. "\0", 1, true) then return end
  runtime_calls.call({ "/bin/sh", "-c", "kill -KILL " .. pid }, "end what carried the container's network")
end

return network_start

-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/claims.lua: what is not to be taken away though no gantry holds it at the moment: a plugin that a `gantry up`
--- which is gone left running, and a container that was kept for inspection. Our own records say which these are.

local LABEL = require("gantry.engine.container").LABEL
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local launches = require "gantry.place.launches"
local ownership = require "gantry.place.ownership"
local state_dir = require "gantry.place.state_dir"

local claims = {}

-- States in which an engine lists a container whose processes live.
local LIVING <const> = { running = true, paused = true, restarting = true }

---@param container table as the engine lists it
---@return boolean
function claims.is_living(container)
  return LIVING[container.status] == true
end

---@param container table as the engine lists it
---@param record gantry.LaunchRecord?
---@return boolean kept for inspection: its process has ended, and somebody wants to look
function claims.is_kept(container, record)
  return record ~= nil and record.keep == true and not claims.is_living(container)
end

---What a supervisor wrote down of a plugin: see gantry.supervisor.record.
---@param folder string its state directory
---@param name any
---@return table
local function account_of(folder, name)
  local written = type(name) == "string" and state_dir.read(("%s/%s.json"):format(folder, name))
  local account = written and json.decode(written)
  return type(account) == "table" and account or {}
end

---Whether `gantry up` keeps account of a container: what it left running, and the last of what ran, whose end it has
---still to learn of.
---@param container table as the engine lists it
---@param record gantry.LaunchRecord?
---@param environment table<string, string>?
---@return boolean
function claims.is_supervised(container, record, environment)
  local supervisor = record and record.supervisor
  if record and record.waits then return false end
  if supervisor and claims.is_living(container) then return true end
  local labels = type(container.labels) == "table" and container.labels or {}
  local live = account_of(supervisor or state_dir.path(environment) .. "/up", labels[LABEL.plugin]).live
  return type(live) == "table" and live.container == container.id
end

---@param record gantry.LaunchRecord of a supervised plugin
---@param owner string who has it
---@param gone boolean whether that is gone
---@return gantry.Error
local function supervised_error(record, owner, gone)
  local policy = account_of(record.supervisor, record.plugin).policy
  local directory = type(policy) == "string" and policy:match "^(.+)/[^/]*$"
  local again = directory and "`gantry up " .. directory .. "`" or "its gantry up"
  local remedy = gone and ("have it taken over again (%s), end it (`gantry down --orphans`)"):format(again)
    or ("end it (`gantry stop %s`)"):format(record.plugin)
  return errors.new("ALREADY_RUNNING", ("plugin '%s' is already running: %s; call that one by its name (`gantry call "
    .. "%s METHOD`), %s, or give this one another name (--name)"):format(record.plugin, owner, record.plugin, remedy))
end

---@param left any path
---@param right string path
---@return boolean
local function is_same(left, right)
  if type(left) ~= "string" then return false end
  return left == right or core.system.real_path(left) == core.system.real_path(right)
end

---Whether two socket directories are where those of one plugin are: what was made ahead has one of another name.
---@param left any path
---@param right string path
---@return boolean
local function is_beside(left, right)
  return is_same(left, right) or type(left) == "string" and is_same((ownership.split(left)), (ownership.split(right)))
end

---Whether a plugin's containers may make place for a launch.
---@param containers table[]
---@param records table<string, gantry.LaunchRecord>
---@param directory string whose lock the caller holds
---@param options { supervisor: string? } who launches, if that is a supervisor
---@return boolean? free, gantry.Error? err ALREADY_RUNNING
function claims.may_take(containers, records, directory, options)
  for _, container in ipairs(containers) do
    local record = records[container.id]
    local supervisor = record and record.supervisor
    local others = supervisor and supervisor ~= options.supervisor
    if others and not record.waits and claims.is_living(container) and is_beside(record.directory, directory) then
      return nil, supervised_error(record, ("a gantry up that is gone left it (container %s)"):format(
        container.id:sub(1, 12)), true)
    end
  end
  return true
end

---Whether the launch of a plugin may take over the directory that an earlier one left.
---@param engine gantry.EngineClient
---@param name string
---@param directory string whose lock the caller holds
---@param options { environment: table<string, string>?, supervisor: string? }
---@return boolean? free, gantry.Error? err
function claims.check(engine, name, directory, options)
  local containers, err, records = ownership.containers(engine, { environment = options.environment,
    labels = { [LABEL.plugin] = name } })
  if not containers then return nil, err end
  return claims.may_take(containers, records, directory, options)
end

---Why a plugin's directory cannot be had: who holds it, as far as records tell. A supervisor may have taken it over
---from an earlier one.
---@param name string
---@param directory string
---@param environment table<string, string>?
---@return gantry.Error
function claims.held(name, directory, environment)
  local holder, supervised
  for _, record in ipairs(launches.all(environment)) do
    local its = record.plugin == name and not record.waits and is_beside(record.directory, directory)
    if its or is_same(record.directory, directory) then
      supervised = record.supervisor and record or supervised
      if record.pid and core.system.stat("/proc/" .. record.pid) then holder = record end
    end
  end
  if supervised and (not holder or holder.supervisor) then
    return supervised_error(supervised, "a gantry up keeps it", false)
  end
  return errors.new("ALREADY_RUNNING", ("plugin '%s' is already running: another gantry holds %s%s; call that one by "
    .. "its name (`gantry call %s METHOD`), stop it, or give this one another name (--name)"):format(name, directory,
    holder and (" (process %d)"):format(holder.pid) or "", name))
end

return claims

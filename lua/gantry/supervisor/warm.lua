-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/warm.lua: the containers that wait for a plugin under supervision, and the one more that stands by, as
--- its policy says: while it is to run they are there, and each start takes one.

local container = require "gantry.engine.container"
local core = require "gantry.core"
local for_host = require "gantry.plugin.for_host"
local launches = require "gantry.place.launches"
local plugins = require "gantry.plugin"
local pools = require "gantry.plugin.pool"
local record = require "gantry.supervisor.record"
local socket_directory = require "gantry.place.socket_directory"
local task = require "gantry.task"

local warm = {}

-- Bytes of a name to which something is added: paths of sockets are short.
local LONGEST_BASE <const> = 40
-- Random ones in a directory's name.
local BYTES <const> = 3
-- Seconds in which an engine makes a container that it was asked for by who was killed then.
local APPEARS <const> = 30

---The config of the next one that is to wait, and what its launch is told beyond that.
---@param unit gantry.Unit
---@return gantry.Config config, gantry.PluginOptions more
local function next_of(unit)
  local supervisor = unit.supervisor
  if not supervisor.options.serve_hosts then return unit:next_config(), {} end
  local config, as_caller = for_host.config(unit:next_config(), supervisor.engine)
  local shared = for_host.shares_by_group(config, as_caller)
  local more = { for_host = true, directory_mode = for_host.directory_mode(shared) }
  function more.build_environment(_, facts)
    facts.shared_group, more.facts = shared, facts
    return {} -- it is the host's
  end
  return config, more
end

---@param unit gantry.Unit
---@param ahead "waiting"|"standing"
---@return gantry.PluginOptions
local function options_of(unit, ahead)
  local supervisor = unit.supervisor
  local name = ("%s-%s"):format(unit.name:sub(1, LONGEST_BASE), core.system.random(BYTES))
  local config, options = next_of(unit)
  local own = {
    engine = supervisor.engine, name = unit.name, policy = unit.policy.path,
    runtime_dir = supervisor.runtime_dir, supervisor = supervisor.store.directory, ahead = ahead,
    fits = record.digest(config), directory_name = name, labels = { [container.LABEL.unique] = name },
    on_output = function(stream, bytes) unit:take_output(stream, bytes) end,
    on_step = function(step) supervisor:fault_point(unit, step) end,
  }
  for key, value in pairs(own) do options[key] = value end
  return options
end

---The config of containers that wait for hosts.
---@param unit gantry.Unit
---@return gantry.Config
function warm.config(unit)
  return (next_of(unit))
end

---Whether so many are to wait.
---@param unit gantry.Unit
---@return boolean
local function is_wanted(unit)
  if not unit.supervisor.options.serve_hosts then return unit:should_run() end
  return unit:is_wanted() and not for_host.unfit(unit.policy)
end

---@param unit gantry.Unit
---@param ahead "waiting"|"standing"
---@param size fun(): integer while it is to run
---@param turn fun(): fun()
---@return gantry.Pool
local function pool_of(unit, ahead, size, turn)
  return pools.new {
    name = unit.name, key = record.digest, turn = turn, ahead = ahead,
    size = function() return is_wanted(unit) and size() or 0 end,
    config = function() return (next_of(unit)) end,
    options = function() return options_of(unit, ahead) end,
    tell = function(text) unit:note("warning", text) end,
    changed = function() unit:pool_changed() end,
  }
end

---@param unit gantry.Unit
---@return gantry.Pool
local function pool_of_waiting(unit)
  return pool_of(unit, "waiting", function() return unit.config.warm or 0 end,
    function() return unit.supervisor.pacing:acquire_spare() end)
end

---Another process of the plugin is started only where one is ready, and no sooner than its policy would start it.
---@param unit gantry.Unit
---@return fun() release
local function turn_of_standby(unit)
  while unit.state ~= "ready" do unit.turned:wait() end
  task.sleep(math.max(0, (unit.standby_due or 0) - unit:clock()))
  local pacing, follows_restart = unit.supervisor.pacing, unit.standby_due ~= nil
  unit.standby_due = nil
  return follows_restart and pacing:acquire_automatic(true) or pacing:acquire_spare()
end

---@param unit gantry.Unit
---@param pool gantry.Pool
---@return gantry.Pool
local function run(unit, pool)
  unit.supervisor.scope:spawn(pool.run, pool)
  return pool
end

---Says once why nothing waits for hosts.
---@param unit gantry.Unit
local function tell_unfit(unit)
  local reason = unit.supervisor.options.serve_hosts and unit.config.warm
    and for_host.unfit(unit.policy) or nil
  if reason and reason ~= unit.unfit then
    unit:note("warning", ("its containers cannot wait for hosts, which launch it themselves: %s"):format(reason))
  end
  unit.unfit = reason
end

---Begins to keep what the policy says, once what an earlier supervisor left has been looked at; how much, it may say
---anew at any time.
---@param unit gantry.Unit
function warm.tend(unit)
  local config = unit.config
  if unit.adopt or not unit.supervisor.scope then return end
  tell_unfit(unit)
  if unit.pool then
    unit.pool:poke()
  elseif config.warm then
    unit.pool = run(unit, pool_of_waiting(unit))
  end
  if unit.standby then
    unit.standby:poke()
  elseif config.standby and not unit.supervisor.options.serve_hosts then
    unit.standby = run(unit, pool_of(unit, "standing", function() return unit.config.standby and 1 or 0 end,
      function() return turn_of_standby(unit) end))
  end
end

---Takes over containers that wait, of an earlier supervisor.
---@param unit gantry.Unit
---@param containers table[] with its name, as takeover.list has them
---@return table<string, boolean> taken by id
function warm.adopt(unit, containers)
  local found, taken = {}, {}
  for _, one in ipairs(containers) do
    local launch = one.launch
    if launch and launch.waits == "waiting" and one.status == "running" then
      found[#found + 1] = { container = one.id, name = launch.container, directory = launch.directory,
        fits = launch.fits, by_input = launch.by_input }
    end
  end
  if #found == 0 or not unit.config.warm then return taken end
  local pool = pool_of_waiting(unit)
  pool:adopt(found)
  unit.pool = run(unit, pool)
  for _, member in ipairs(pool.members) do taken[member.container] = true end
  return taken
end

---Whether one stands by that the next start takes.
---@param unit gantry.Unit
---@return boolean
function warm.stands_by(unit)
  return unit.standby ~= nil and unit.standby:find(unit:next_config()) ~= nil
end

---Whether one waits that the next start takes.
---@param unit gantry.Unit
---@return boolean
function warm.waits(unit)
  return not warm.stands_by(unit) and unit.pool ~= nil and unit.pool:find(unit:next_config()) ~= nil
end

---The live one has died: its hosts are led to the one that stands by, and the policy is asked meanwhile. Where that
---has the plugin stay down, the address goes with the one that stood by.
---@param unit gantry.Unit
function warm.lead_over(unit)
  if not unit:should_run() or unit.request then return end
  local index = unit.standby and unit.standby:find(unit:next_config())
  if index then unit.standby.members[index]:take_address() end -- the launch that takes it up tells what fails
end

---What a restart would look at first is looked at while its policy is asked.
---@param unit gantry.Unit
function warm.look_ahead(unit)
  if not unit.pool or not unit:should_run() or unit.request or warm.stands_by(unit) then return end
  unit.pool:look_ahead(unit:next_config())
end

---A restart that its policy delays is no reason to wait where one stands by: the next one to stand by waits instead.
---@param unit gantry.Unit
---@return boolean postponed
function warm.postpone(unit)
  if not warm.stands_by(unit) then return false end
  unit.standby_due, unit.due = unit.due, nil
  return true
end

---Whether there is nothing of the container that an earlier supervisor wrote down, and will be nothing: it was killed
---before the engine had answered, or after the container was gone.
---@param unit gantry.Unit
---@param launch gantry.LaunchRecord
---@param there table<string, boolean> names of the containers that the engine has
---@return boolean
local function came_to_nothing(unit, launch, there)
  local engine = unit.supervisor.engine
  local its_own = launch.waits and launch.supervisor == unit.supervisor.store.directory
    and launch.engine == engine.endpoint.name and not launch.keep
  if not its_own or there[launch.container] then return false end
  if launch.id or engine.capabilities.ends_with_owner then return true end
  local status = core.system.stat(launch.directory)
  return not status or os.time() - status.mtime > APPEARS
end

---Takes directories away that an earlier supervisor made for a container that never was, or is no more.
---@param unit gantry.Unit
---@param containers table[] with its name, as takeover.list has them
function warm.clean(unit, containers)
  local root, there, on_record = unit.supervisor.runtime_dir, {}, nil
  for _, one in ipairs(containers) do there[one.launch and one.launch.container or one.name] = true end
  for _, name in ipairs(core.files.list(root) or {}) do
    local base, number = name:match "^(.*)%-(%x+)$"
    local path = root .. "/" .. name
    if base == unit.name:sub(1, LONGEST_BASE) and #number == 2 * BYTES then
      on_record = on_record or launches.by_directory()
      local launch = on_record[path]
      local gone = (not launch or came_to_nothing(unit, launch, there)) and socket_directory.take_away(path)
      if gone and launch then launches.forget(launch.container, path) end
    end
  end
end

---@param unit gantry.Unit
---@param config gantry.Config
---@param options gantry.PluginOptions
---@return gantry.Plugin? plugin, gantry.Error? err
function warm.launch(unit, config, options)
  local function of_pool()
    -- One that stood by and could not be used: then the delay of its policy holds after all.
    task.sleep(math.max(0, (unit.standby_due or 0) - unit:clock()))
    unit.standby_due = nil
    if unit.pool then return unit.pool:launch(config, options) end
    return plugins.launch(config, options)
  end
  if unit.standby then return unit.standby:launch(config, options, of_pool) end
  return of_pool()
end

---Whether containers that wait are still being taken away.
---@param unit gantry.Unit
---@return boolean
function warm.is_leaving(unit)
  local function leaves(pool) return pool ~= nil and pool.plan.size() == 0 and not pool:is_empty() end
  return leaves(unit.pool) or leaves(unit.standby)
end

---Leaves what waits running.
---@param unit gantry.Unit
function warm.let_go(unit)
  if unit.pool then unit.pool:let_go() end
  if unit.standby then unit.standby:let_go() end
end

---How many there are to be, and are.
---@param pool gantry.Pool?
---@return { size: integer, waiting: integer }?
function warm.count(pool)
  return pool and { size = pool.plan.size(), waiting = #pool.members } or nil
end

return warm

-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/gate.lua: a container that waits for its plugin: gantry-gate is its first process, and is asked over a socket
--- in the plugin's own directory, or over its input where no socket passes (gantry.plugin.gate_input). What only the
--- launch knows (cookie, certificate, secrets) comes with that, and stands in no request to the engine.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local gate_input = require "gantry.plugin.gate_input"
local retry = require "gantry.task.retry"
local task = require "gantry.task"

local gate = {}

---The name of its socket in the plugin's directory.
gate.SOCKET = "gate"

-- Where it is inside: every engine has memory there, in which mount points can be made.
local INSIDE <const> = "/dev/gantry-gate"
-- Whom a container takes those for that its user namespace does not know.
local NOBODY <const> = 65534
-- Seconds: until a gate listens whose container was started; for its greeting. Between two looks.
local LISTENS_WITHIN <const>, GREETS_WITHIN <const> = 15, 5
local FIRST_LOOK <const>, LONGEST_LOOK <const> = 0.01, 0.2

---Who this process is to the gate.
---@param plugin gantry.Plugin
---@return integer uid
local function asker_of(plugin)
  if plugin.remapped then return NOBODY end
  return plugin.uid_inside or core.system.euid()
end

---Whether it is of no use to anybody once this process has gone: no other one takes it over.
---@param plugin gantry.Plugin
---@return boolean
local function is_owned(plugin)
  return plugin.options.supervisor == nil
end

---@param plugin gantry.Plugin
---@param image gantry.EngineImage
---@return string[]? command the image's own, with what the policy changes of it, gantry.Error? err
local function command_of(plugin, image)
  local config = plugin.config
  local entrypoint = config.entrypoint or image.entrypoint or {}
  local command = table.move(entrypoint, 1, #entrypoint, 1, {})
  -- Whoever names another program does not mean the image's arguments.
  local arguments = config.args or not config.entrypoint and image.command or {}
  table.move(arguments, 1, #arguments, #command + 1, command)
  if #command > 0 then return command end
  return nil, errors.new("GATE_REFUSED", ("plugin '%s': the engine does not tell what image %s runs, which a container "
    .. "that waits has to know; set entrypoint in the policy"):format(plugin.name, plugin.reference))
end

---Makes of a container that runs the plugin one that waits for it.
---@param plugin gantry.Plugin with its image and socket directory
---@param spec gantry.ContainerSpec
---@return gantry.ContainerSpec? waiting, gantry.Error? err
function gate.settle(plugin, spec)
  local path, missing = core.system.own_program "gantry-gate"
  if not path then return nil, missing end
  local command, unknown = command_of(plugin, plugin.image)
  if not command then return nil, unknown end
  local waiting = {}
  for key, value in pairs(spec) do waiting[key] = value end
  plugin.asked_by_input = not plugin.options.for_host and gate_input.is_needed(plugin)
  if plugin.asked_by_input then
    waiting.entrypoint, waiting.open_input = { INSIDE, "--", table.unpack(command) }, true
  else
    waiting.entrypoint = { INSIDE, "--socket", ("%s/%s"):format(plugin.directory_path, gate.SOCKET), "--asker",
      tostring(asker_of(plugin)), "--", table.unpack(command) }
    if is_owned(plugin) then table.insert(waiting.entrypoint, 2, "--owned") end
  end
  -- The gate reaps and forwards signals itself.
  waiting.args, waiting.env, waiting.init = {}, {}, false
  waiting.mounts = table.move(spec.mounts, 1, #spec.mounts, 1, {})
  table.insert(waiting.mounts, { kind = "bind", source = path, target = INSIDE, read_only = true, own = true,
    relabel = spec.mounts[1].relabel })
  plugin.late_environment = spec.env
  return waiting
end

---@param plugin gantry.Plugin
---@param on_event fun(event: table)
---@return userdata? handle of gantry.core.gate, gantry.Error? err
local function connect(plugin, on_event)
  local path = ("%s/%s"):format(plugin.directory_path, gate.SOCKET)
  -- The container may have put a link to another's there.
  local real, foreign = core.socket_dir.check_socket(plugin.directory_path, path)
  if not real then return nil, foreign end
  local status, gone = core.system.stat(path)
  if not status then return nil, gone end
  return core.gate.connect(task.loop(), path, { gate_user = status.uid, on_event = on_event })
end

---What is done at each word of the gate's.
---@type table<string, fun(plugin: gantry.Plugin, event: table)>
local HEARD <const> = {
  ready = function() end,
  started = function(plugin)
    plugin.begun = true
    plugin.started:set(true)
  end,
  output = function(plugin, event) plugin.output:from_gate(event.bytes) end,
  failed = function(plugin, event)
    plugin.begun = event.what ~= "busy" and event.what ~= "ending"
    plugin.started:set(nil, errors.new("START_FAILED", ("plugin '%s' was not started: %s (%s)"):format(plugin.name,
      event.text, event.what)))
    plugin.progress:set "start_failed"
  end,
  exit = function(plugin, event) plugin:on_gate_exit(event) end,
  lost = function(plugin)
    local lost = plugin.started:set(nil, errors.new("GATE_GONE", ("the container that waited for plugin '%s' has gone")
      :format(plugin.name)))
    if lost then plugin.progress:set "start_failed" end
  end,
}

---Whether a gate greets there. The connection of its owner stays.
---@param plugin gantry.Plugin
---@return boolean? greets, gantry.Error? err
local function probe(plugin)
  local heard = task.event()
  local handle, err = connect(plugin, function(event)
    if not heard:set(event) then HEARD[event.kind](plugin, event) end
  end)
  if not handle then return nil, err end
  plugin.gate = handle
  local event = task.deadline(GREETS_WITHIN, heard.wait, heard)
  local greets = event ~= nil and event.kind == "ready"
  if not greets or not is_owned(plugin) then gate.let_go(plugin) end
  if greets then return true end
  return nil, errors.new("GATE_REFUSED", ("the gate of container %s does not greet (%s)"):format(
    plugin.container:sub(1, 12), event and event.text or event and event.kind or "no answer"))
end

---Waits until the gate can be asked. Not every runtime lets its socket through: then the error has `by_input`, and the
---next container is one that is asked over its input.
---@param plugin gantry.Plugin whose container was started
---@return boolean? ok, gantry.Error? err
function gate.await(plugin)
  if plugin.asked_by_input then return plugin.started:wait() end
  local again, until_when = retry.new(FIRST_LOOK, LONGEST_LOOK), core.loop.clock() + LISTENS_WITHIN
  while not plugin.progress:is_set() do
    local ok, err = probe(plugin)
    if ok then return true end
    if core.loop.clock() > until_when then
      gate_input.learn(plugin)
      return nil, errors.new("GATE_UNREACHABLE", ("plugin '%s': its gate's socket does not pass (%s)"):format(
        plugin.name, err.message), { cause = err, by_input = not plugin.options.for_host })
    end
    again:pause()
  end
  local ok, err = plugin.started:wait()
  if not ok then return nil, err end
  plugin:read_exit()
  return nil, errors.new("GATE_GONE", ("a container that was to wait for plugin '%s' has ended"):format(plugin.name))
end

---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
local function ask_by_input(plugin)
  local handle, err = gate_input.ask(plugin, { environment = plugin.late_environment,
    owned_by_input = not plugin.outlives_asker })
  if not handle then return nil, err end
  plugin.gate, plugin.begun = handle, true
  plugin.started:set(true)
  if plugin.outlives_asker then gate.let_go(plugin) end
  return true
end

---Connects to the gate, for the plugin to be asked for soon.
---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function gate.reach(plugin)
  plugin.started = task.event()
  local handle, err = connect(plugin, function(event) HEARD[event.kind](plugin, event) end)
  if not handle then return nil, err end
  plugin.gate = handle
  return true
end

---Has the gate start the plugin, beside the wait for its handshake.
---@param plugin gantry.Plugin
---@param host { stdout: integer, stderr: integer }? what a host's plugin writes to; it goes with the connection
---@return boolean? ok, gantry.Error? err
function gate.ask(plugin, host)
  plugin.outlives_asker = not host and (plugin.options.supervisor ~= nil or plugin.config.debug
    or plugin.config.outlive_host) or false
  local reached, err = true, nil
  if not plugin.gate and not plugin.asked_by_input then reached, err = gate.reach(plugin) end
  if not reached then return nil, err end
  plugin.started, plugin.run_since = task.event(), core.loop.clock()
  if plugin.asked_by_input then return ask_by_input(plugin) end
  local ok, refused = plugin.gate:ask { environment = plugin.late_environment, outlives_asker = plugin.outlives_asker,
    tell_handshake = not host, stdout = host and host.stdout, stderr = host and host.stderr }
  if not ok then return nil, refused end
  return true
end

---Closes the connection, with which a plugin ends that is not to outlive this process.
---@param plugin gantry.Plugin
function gate.let_go(plugin)
  if plugin.gate then plugin.gate:close() end
  plugin.gate = nil
end

return gate

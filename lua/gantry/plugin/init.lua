-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/init.lua: one generation of one plugin: launched, followed until its end, called, and stopped in order. It
--- owns its container, its socket directory and its connections, and gives all of them back when it ends.

local addresses = require "gantry.plugin.addresses"
local later = require "gantry.base.later"
local adoption = later "gantry.plugin.adoption"
local ahead = later "gantry.plugin.ahead"
local attach = later "gantry.plugin.attach"
local calls = require "gantry.plugin.calls"
local core = require "gantry.core"
local diagnosis = later "gantry.plugin.diagnosis"
local failure = require "gantry.plugin.failure"
local follow = require "gantry.plugin.follow"
local gate = later "gantry.plugin.gate"
local errors = require "gantry.base.errors"
local events = require "gantry.plugin.events"
local exit = require "gantry.plugin.exit"
local launch = require "gantry.plugin.launch"
local read_exit = require "gantry.plugin.read_exit"
local output = later "gantry.plugin.output"
local release = require "gantry.plugin.release"
local stats = require "gantry.plugin.stats"
local task = require "gantry.task"
local ways = require "gantry.plugin.ways_to_end"

local plugin = {}

---@class gantry.Plugin
---@field name string
---@field config gantry.Config
---@field state "launching"|"waiting"|"standing"|"ready"|"stopping"|"ended" waiting, standing: see gantry.plugin.ahead
---@field container string? the engine's id
---@field address { network: string, string: string }? where hosts reach it
---@field protocol string? "grpc" or "netrpc"
---@field protocol_version integer?
---@field handshake_ms number? milliseconds from launch to the handshake
---@field ready_ms number? milliseconds from launch to ready
---@field exit gantry.Exit? how it ended
---@field rpc table its services: plugin.rpc.Service:Method { … }
---@field connection gantry.Rpc? nil where it does not speak gRPC
---@field faults table<string, integer>? what the handlers of its launch raised: the first line of each error, and how
--- often it came
local Plugin = {}
Plugin.__index = Plugin

---@class gantry.PluginOptions: gantry.LaunchOptions what gantry itself says beyond that
---@field engine gantry.EngineClient
---@field policy string? the path of the policy that this is
---@field deaths gantry.Deaths? what the engine's events tell of ends, asked before the engine itself
---@field unique boolean? it gets a name that no other has, made of its own
---@field supervisor string? the state directory of the `gantry up` that launches it
---@field keeps_container boolean? the container of a plugin that ended stays until plugin:remove_container()
---@field engine_timeout number? seconds that an engine may be away before the plugin counts as ended; the
--- policy's where nil, and 60 where it has none
---@field ahead "waiting"|"standing"|nil how far it is brought before anybody wants it
---@field fits string? the config that it is made for, by a short name
---@field found { container: string, name: string, directory: string, by_input: boolean? }? one that was made ahead by a
--- process which is gone
---@field for_host boolean? it waits for a host, whose output its gate can get by a socket alone
---@field directory_name string? of its socket directory, where that is not the plugin's name
---@field taken gantry.Plugin? one that was made ahead, which this launch takes up
---@field follows gantry.Plugin? one that has ended, whose name may be handed on to this one
---@field on_step fun(step: string)? a step of the launch begins
---@field on_death fun()? its process has ended by itself; nothing of it was given back yet

---@param config gantry.Config
---@param options gantry.PluginOptions
---@return gantry.Plugin
local function new(config, options)
  local self = setmetatable({
    name = launch.name(config, options), config = config, options = options, engine = options.engine,
    state = "launching", ended = task.event(), began = core.loop.clock(), calls_made = 0, calls_failed = 0,
  }, Plugin)
  self.rpc = calls.proxy(self)
  return self
end

Plugin.event, Plugin.follow = events.tell, follow
Plugin.release, Plugin.remove_container = release.all, release.container

---Makes what takes its output apart, before it is attached to.
---@param on_handshake fun()? nil where the first line was said to somebody else: all that comes now is output
function Plugin:open_output(on_handshake)
  self.output = output.new { on_handshake = on_handshake, on_output = events.output_taker(self) }
end

---Attaches to the container's output; also anew, to one that runs on after its engine came back.
---@return boolean? ok, gantry.Error? err
function Plugin:attach()
  self.stream_ended, self.stream_error, self.drained = false, nil, task.event()
  local stream, err = self.engine:attach(self.container, {
    on_output = function(stream, bytes) self.output:feed(stream, bytes) end,
    on_end = function(reason) self:on_stream_end(reason) end,
  })
  if not stream then return nil, err end
  self.attached = stream
  self.output:begin_stream()
  self:apply_pause()
  if self.stream_ended then stream:cancel() end -- what came with the headers was no output
  return true
end

---The attached stream is the sign of life: its end leads to the exit.
function Plugin:on_stream_end(reason)
  if self.stream_ended then return end
  self.stream_ended, self.stream_error = true, reason
  self.drained:set(true)
  if self.finished then return end
  if self.state ~= "launching" then
    task.detach(self.follow, self)
  elseif self.progress then -- nobody waits for one that was found running: see become_ready
    self.progress:set("ended")
  end
end

---Its gate has seen it end, before the engine tells. Where another one is to take its place, nobody waits for what it
---still has to say, and the gate stays until its container is to go.
---@param event table of the gate's
function Plugin:on_gate_exit(event)
  self.told_exit = event
  event.uptime = core.loop.clock() - self.run_since
  local ended = self.state ~= "launching" and self.options.keeps_container and self:exit_of_gate()
  if not ended then return gate.let_go(self) end
  task.detach(self.finish, self, ended)
end

---What its gate has told of its end.
---@return gantry.Exit?
function Plugin:exit_of_gate()
  if not self.told_exit then return nil end
  return exit.from_gate(self.told_exit, self.config.memory ~= nil, self.state == "stopping", self.killing)
end

---Ready: from now on the end is followed, also one that came in the meantime.
function Plugin:become_ready()
  self.state = "ready"
  if self.stream_ended then task.detach(self.follow, self) end
  if self.told_exit then self:on_gate_exit(self.told_exit) end
end

---A launch will take it up in a moment, if it waits: what that looks at first is looked at now.
function Plugin:look_ahead() ahead.look_up(self) end

---Has the stable address lead to it, where its socket is one; it has to be healthy by then.
---@return boolean? ok, gantry.Error? err
function Plugin:take_address() return launch.steps.publish(self) end

---For a launch that failed: the exit belongs to the diagnosis.
function Plugin:read_exit()
  self.exit = read_exit(self) or nil
end

---Ends the plugin's life, once: whoever learns of its end first.
---@param ended gantry.Exit
function Plugin:finish(ended)
  if self.finished then return end
  self.finished, self.exit = true, ended
  if self.state == "ready" and self.options.on_death then self.options.on_death() end
  self:release(not self.options.keeps_container)
  self.state = "ended"
  self:event("exit", { exit = ended })
  if self.kept then self:event("kept", { diagnosis = diagnosis.of(self) }) end
  self.ended:set(ended)
end

---Goes through steps of a launch. Also where that is cancelled, whatever was made goes.
---@param steps table? as of launch.run
---@return boolean? ok, gantry.Error? err
function Plugin:go_through(steps)
  local over = false
  local _ <close> = setmetatable({}, { __close = function()
    if not over then task.shield(self.release, self, true) end
  end })
  local ok, err = launch.run(self, steps)
  if not ok then err = self:fail_launch(err) end
  over = true
  return ok, err
end

---Launches a plugin and waits until it is ready. The caller owns it and ends it with stop or a `<close>` variable.
---@param config gantry.Config
---@param options gantry.PluginOptions
---@return gantry.Plugin? plugin, gantry.Error? err with err.diagnosis where the plugin's end can be told more of
function plugin.launch(config, options)
  local self = options.taken or new(config, options)
  local ok, err = self:go_through(options.taken and ahead.take(self, config, options))
  self.options.follows = nil -- which followed another one
  if not ok then return nil, err end
  self.protocol, self.protocol_version = self.handshake.protocol, self.handshake.protocol_version
  self.ready_ms = (core.loop.clock() - self.began) * 1000
  self:become_ready()
  self:event("ready", { plugin = self })
  return self
end

---Begins a plugin's life before anybody wants it. The caller owns it, and has a launch take it up (`taken`), or ends it
---with discard.
---@param config gantry.Config
---@param options gantry.PluginOptions with `ahead`
---@return gantry.Plugin? plugin in that state, gantry.Error? err
function plugin.prepare(config, options)
  local self = new(config, options)
  local ok, err = self:go_through(ahead.steps_to(options))
  if not ok then return nil, err end
  self.state = options.ahead
  if self.stream_ended then task.detach(self.follow, self) end
  return self
end

---Takes over a plugin that a gantry which is dead left running: a launch without the launch.
---@param config gantry.Config
---@param facts gantry.AdoptionFacts
---@param options gantry.PluginOptions
---@return gantry.Plugin? plugin, gantry.Error? err
---@return gantry.Exit? exit how it ended, where it runs no more
function plugin.adopt(config, facts, options)
  local self = new(config, options)
  local ok, err, ended = adoption.run(self, facts)
  if not ok then return nil, err, ended end
  self:become_ready()
  return self
end

---Attaches to a plugin that runs already, of whoever launched it: the same object, the launch left out. It is not taken
---over: leaving it (`plugin:detach()`, or the scope of a `<close>` variable) lets it run on; `plugin:stop()` stops it.
---@param name string the plugin's, or a container's name or id
---@param options gantry.PluginOptions and `protocol = "netrpc"` for a plugin that is not known to speak it
---@return gantry.Plugin? plugin, gantry.Error? err
function plugin.attach(name, options)
  local found, err = attach.find(options.engine, name, options)
  if not found then return nil, err end
  local self = new(attach.config(found), options)
  local ok, refused = attach.run(self, found)
  if not ok then return nil, refused end
  self:become_ready()
  self:event("attached", { plugin = self })
  return self
end

---@param err gantry.Error
---@return gantry.Error
function Plugin:fail_launch(err)
  if self.container and not self.inspected then self.inspected = self.engine:inspect(self.container) end
  err = failure.explain(self, err)
  task.shield(self.release, self, true)
  self.state = "failed"
  if self.container then err.diagnosis = diagnosis.of(self) end
  return err
end

---What a launch would ask of the engine.
---@param config gantry.Config
---@param options gantry.PluginOptions
---@return table? plan { name, image, image_id, directory, request }, and of a binary its path and sha256
---@return gantry.Error? err
function plugin.plan(config, options)
  local self = new(config, options)
  local request, err = launch.plan(self)
  if not request then return nil, err end
  return { name = self.name, image = self.reference, image_id = self.image.id, binary = config.binary,
    sha256 = self.binary_sha256, directory = self.root .. "/"
    .. self.name,
    api = self.engine.api, engine = self.engine.endpoint.name, request = request }
end

local function check_open(self)
  if self.state == "detached" then error(("plugin '%s' is detached"):format(self.name), 3) end
  if self.state == "ended" or self.state == "failed" then error(("plugin '%s' has ended"):format(self.name), 3) end
end

---Waits for the plugin's end.
---@return gantry.Exit
function Plugin:wait()
  return self.ended:wait()
end

---Whether the process ends in time. What is given back afterwards may take longer.
---@param seconds number
---@return boolean ended
function Plugin:ends_within(seconds)
  return (task.deadline(seconds, function() return self.ended:wait() end)) ~= nil or self.finished == true
end

---Sends a signal to the plugin's process.
---@param signal string? "TERM" where nil
---@return boolean? sent, gantry.Error? err
function Plugin:kill(signal)
  check_open(self)
  self.killing = self.killing or signal == "KILL"
  return self.engine:kill(self.container, signal or "TERM")
end

---Stops the plugin in order: it is asked to end, then told, then killed; each gets its time. Ends when container and
---socket directory are gone. Stopping what has ended or is being stopped waits for that end.
---@param options { at_once: boolean? }? at_once leaves out asking and telling
---@return gantry.Exit? exit
---@return gantry.Error? err STOP_FAILED where the engine let it run on: it is as it was, and may be stopped again
function Plugin:stop(options)
  local at_once = options and options.at_once
  local again = self.state == "stopping" and (at_once or self.stop_error)
  if self.state ~= "ready" and not again then return self.ended:wait() end
  local grace = self.config.stop_timeout
  self.state, self.stop_error = "stopping", nil
  self:resume_output()
  if not at_once and not again then
    if self.connection and ways.end_by(self, "Shutdown", grace) or ways.end_by(self, ways.signal(self), grace) then
      return self.ended:wait()
    end
  end
  local ended, err = ways.end_by(self, "SIGKILL", ways.KILL_TIMEOUT)
  if ended then return self.ended:wait() end
  local reason = err and err.message
    or ("the engine did not report an end within %d s of SIGKILL"):format(ways.KILL_TIMEOUT)
  self.stop_error = errors.new("STOP_FAILED", ("stop plugin '%s': %s; it runs on"):format(self.name, reason),
    { status = err and err.status, cause = err })
  return nil, self.stop_error
end

---What can be told of it: the last output, image, command, runtime; with `debug` the environment too, and the command
---that starts its container by hand.
---@return gantry.Diagnosis
function Plugin:diagnose()
  if self.container and not self.inspected then self.inspected = self.engine:inspect(self.container) end
  return diagnosis.of(self)
end

---Lets go of a plugin that was attached to: it runs on. Whoever waits for its end gets nil.
function Plugin:detach()
  check_open(self)
  if not self.borrowed then error(("plugin '%s' was launched here: it can only be stopped"):format(self.name), 2) end
  self:let_go()
end

---Takes away one that was made ahead and that nobody has taken up.
function Plugin:discard()
  if self.finished then return end
  if self.connection then
    self.state = "ready"
    return self:end_life()
  end
  self.finished, self.state = true, "ended"
  self:release(true)
  self.ended:set(nil)
end

---Leaves it running, for whoever takes it over: connections and the lock on its directory are given back.
function Plugin:let_go()
  if self.finished then return end
  self.finished, self.state = true, "detached" -- whoever follows it to its end leaves it alone, too
  if self.connection then self.connection:close() end
  if self.attached and not self.stream_ended then self.attached:cancel() end
  if self.gate then gate.let_go(self) end
  if self.container and not self.borrowed then self.engine:let_go(self.container) end
  if self.directory then self.directory:close() end
  if self.name_directory then self.name_directory:close() end
  self.ended:set(nil)
end

---@param self gantry.Plugin
---@return table? inspected, gantry.Error?
local function inspected_of(self)
  check_open(self)
  if self.inspected then return self.inspected end
  local err
  self.inspected, err = self.engine:inspect(self.container)
  return self.inspected, err
end

---An address that the plugin uses, as the host reaches it, by the container's own mounts.
---@param address string|{ network: string, string: string } a path, unix:PATH, or as go-plugin has it
---@return string|table|nil address in the same form
---@return gantry.Error? err ADDRESS_NOT_SHARED with the reason, where it lies outside what is shared
function Plugin:to_host(address)
  local inspected, err = inspected_of(self)
  if not inspected then return nil, err end
  return addresses.to_host(inspected, address)
end

---An address of the host's, as the plugin reaches it.
---@param address string|{ network: string, string: string }
---@return string|table|nil address in the same form
---@return gantry.Error? err ADDRESS_NOT_SHARED
function Plugin:to_plugin(address)
  local inspected, err = inspected_of(self)
  if not inspected then return nil, err end
  return addresses.to_plugin(inspected, address)
end

---The plugin's services and the names of their methods, as its reflection tells.
---@return table<string, string[]>? services by full name
---@return gantry.Error? err NO_REFLECTION where the plugin has none
function Plugin:services()
  check_open(self)
  return calls.services(self)
end

---A method and the types of its messages, as the plugin's reflection tells.
---@param path string "package.Service/Method", or "Service/Method" where that is clear
---@return gantry.MethodType? method
---@return gantry.Error? err SERVICE_UNKNOWN, METHOD_UNKNOWN: with the nearest name
function Plugin:method(path)
  check_open(self)
  return calls.method(self, path)
end

---Calls a method. With a table as its request, both messages are tables (docs/calls.md tells of their fields); with a
---string, which is the encoded request, both are strings, and the plugin needs no reflection.
---@param path string "package.Service/Method"; with a table also "Service/Method"
---@param request any nil is the empty message
---@param options gantry.CallOptions? timeout in seconds (30 where nil); limit: most bytes of the answer
---@return any? reply
---@return gantry.Error? err the gRPC status by name; MESSAGE_INVALID where the table does not fit; PLUGIN_EXITED
function Plugin:call(path, request, options)
  check_open(self)
  return calls.call(self, path, request, options)
end

---Calls a method that answers with any number of messages, for a generic `for`, which raises the errors of plugin:call
---and cancels the call where it is left early. The first value is the stream, whose `next` returns errors instead.
---@param path string
---@param request any
---@param options gantry.CallOptions? no timeout where nil
---@return gantry.Stream stream, nil, nil, gantry.Stream
function Plugin:stream(path, request, options)
  check_open(self)
  return calls.stream(self, path, request, options)
end

---Does what was asked for last. The handshake is part of the output, and a launch that waits for it is not held up.
function Plugin:apply_pause()
  if not self.output_paused or not self.output.handshake_line then return end
  if self.attached and not self.stream_ended then self.attached:pause() end
  if self.stdio and not self.connection.closed then self.stdio:pause() end
end

---Holds the plugin's output back at its source, for a reader that cannot keep up; before its handshake, from that on.
function Plugin:pause_output()
  self.output_paused = true
  self:apply_pause()
end

---Lets it come again.
function Plugin:resume_output()
  self.output_paused = false
  if self.attached and not self.stream_ended then self.attached:resume() end
  if self.stdio and not self.connection.closed then self.stdio:resume() end
end

---Reads what it prints over gRPC's stream of standard output.
function Plugin:follow_stdio()
  self.stdio = self.connection:stdio(function(stream, bytes) self.output:from_stdio(stream, bytes) end)
  self:apply_pause()
end

---What a go-plugin host needs to reattach, and when it was ready.
---@return table
function Plugin:describe()
  return { name = self.name, protocol = self.protocol, protocol_version = self.protocol_version, address = self.address,
    container = self.container, ready_ms = math.floor(self.ready_ms + 0.5) }
end

---What it uses and has done: CPU time, memory, processes, the time of its start, output, calls. The engine is asked
---only where the container's cgroup is not on this machine.
---@return gantry.Stats? stats
---@return gantry.Error? err STATS_UNKNOWN where the engine keeps no account of it
function Plugin:stats()
  check_open(self)
  local usage, err = stats.usage(self)
  return usage and stats.complete(self, usage), err
end

function Plugin:__close()
  if self.borrowed then
    if self.state == "ready" then self:detach() end
    return
  end
  task.shield(self.end_life, self)
end

---Stops it, and lets go of it where the engine does not: what may be left is told.
function Plugin:end_life()
  local ended, err = self:stop()
  if not ended and err then self:finish(exit.unknown("engine_error", err.message, true)) end
end

function Plugin:__tostring()
  return ("plugin %s  %s  %s  %s"):format(self.name, self.state, (self.container or "-"):sub(1, 12),
    self.address and self.address.network .. ":" .. self.address.string or "-")
end

return plugin

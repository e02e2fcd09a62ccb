-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/launch.lua: the order of a launch: image, socket directory, container, attach, start, handshake, connection,
--- health. Each step is a function of the plugin that returns true, or nil and the error that ends the launch.

local container = require "gantry.container"
local core = require "gantry.core"
local environment = require "gantry.plugin.environment"
local errors = require "gantry.errors"
local find_image = require "gantry.plugin.find_image"
local handshake = require "gantry.plugin.handshake"
local leftovers = require "gantry.plugin.leftovers"
local memory = require "gantry.plugin.memory"
local output = require "gantry.plugin.output"
local ownership = require "gantry.ownership"
local refusal = require "gantry.plugin.refusal"
local rootless = require "gantry.plugin.rootless"
local rpc = require "gantry.rpc"
local runtime_dir = require "gantry.runtime_dir"
local shared_folders = require "gantry.plugin.shared_folders"
local task = require "gantry.task"

local launch = {}

-- Seconds in which a start that is over must have said how it went, once the output has ended.
local START_ANSWER <const> = 10

-- Seconds in which a container may appear whose creation was not answered.
local UNANSWERED <const> = 1

-- Of socket directories: for the user and the group.
local GROUP_MODE <const> = tonumber("770", 8)

local function check_runtime(plugin)
  local wanted = plugin.config.runtime
  if not wanted or plugin.engine.kind == "podman" then return true end -- Podman's: see gantry.engine.podman
  local info, err = plugin.engine:info()
  if not info then return nil, err end
  if info.Runtimes and info.Runtimes[wanted] then return true end
  local known = {}
  for name in pairs(info.Runtimes or {}) do known[#known + 1] = name end
  table.sort(known)
  return nil, errors.new("RUNTIME_UNKNOWN",
    ("the engine at %s has no runtime '%s'; it has %s; register it in the engine's "
    .. "daemon.json or change the policy's runtime"):format(plugin.engine.endpoint.name, wanted, table.concat(known,
      ", ")))
end

---The group that plugin and host share: the policy's, else the caller's own.
local function find_group(plugin)
  local named = plugin.config.socket_group
  if not named then
    plugin.group = core.group.effective()
    return rootless.settle(plugin)
  end
  local gid, err = core.group.resolve(tostring(named))
  if not gid then return nil, err:wrap("socket_group") end
  if not core.group.may_assign(gid) then
    return nil, errors.new("GROUP_NOT_ALLOWED",
      ("socket_group: you are not a member of group %s (%d) and may not give files "
      .. "to it; choose one of your groups (see id -Gn)"):format(named, gid))
  end
  plugin.group = gid
  return rootless.settle(plugin)
end

local function open_directory(plugin)
  local found, err = find_group(plugin)
  if not found then return nil, err end
  local root = plugin.config.temp_dir or plugin.options.runtime_dir or runtime_dir.path()
  local ok, unsafe = core.socket_dir.root(root)
  if not ok then return nil, unsafe end
  plugin.directory, err = core.socket_dir.make(root, plugin.options.directory_name or plugin.name,
    { mode = plugin.options.directory_mode or GROUP_MODE, group = plugin.group })
  if not plugin.directory then
    if err.code == "SOCKET_DIR_BUSY" then
      return nil, errors.new("ALREADY_RUNNING",
        ("plugin '%s' is already running: another gantry holds %s/%s; stop that one, or "
        .. "give this one another name (--name)"):format(plugin.name, root, plugin.name), { cause = err })
    end
    return nil, err
  end
  plugin.root = root
  return rootless.prepare(plugin)
end

local function remove_leftovers(plugin)
  local path = plugin.directory:path()
  local had_directory = not plugin.directory:fresh()
  -- Once a process has looked, only itself could leave something there, and it says so.
  if plugin.engine.swept[path] and not had_directory then return true end
  local removed, err = leftovers.remove(plugin.engine, plugin.name, path)
  if not removed then return nil, err end
  plugin.engine.swept[path] = true
  plugin.found_directory = had_directory
  if #removed > 0 or had_directory then
    plugin:event("leftovers", { containers = removed, directory = had_directory and path or nil })
  end
  return true
end

---Looks once more where a killed gantry was: it may have asked for a container that the engine made only now.
local function look_again(plugin)
  if not plugin.found_directory then return true end
  local removed = leftovers.remove(plugin.engine, plugin.name, plugin.directory:path(), plugin.container)
  if removed and #removed > 0 then plugin:event("leftovers", { containers = removed }) end
  return true -- what could not be removed now, the next launch removes
end

---@return integer[]? gids
local function container_groups(plugin)
  local gids = { plugin.group_inside }
  for _, named in ipairs(plugin.config.group_add or {}) do
    local gid, err = core.group.resolve(tostring(named))
    if not gid then return nil, err:wrap("group_add") end
    gids[#gids + 1] = gid
  end
  return gids
end

---What the engine will be asked for. Needs the image, the group and the socket directory's path.
---@param plugin gantry.Plugin
---@param path string
---@return table? request, gantry.Error?
function launch.request(plugin, path)
  local config = plugin.config
  local groups, err = container_groups(plugin)
  if not groups then return nil, err end
  local labels = ownership.labels(plugin.name, path)
  labels[container.LABEL.version] = require("gantry.version")
  for key, value in pairs(plugin.options.labels or {}) do labels[key] = value end
  local caller = plugin.options.environment or core.system.environment()
  local shared, unshareable = shared_folders.of(config, caller)
  if not shared then return nil, unshareable end
  if shared.warning then plugin:event("warning", { text = shared.warning }) end
  return plugin.engine:fit(container.request(config, {
    -- A verified image is named by its id: a tag could be moved between check and creation.
    image = config.sha256 and plugin.image.Id or plugin.reference,
    directory = path, groups = groups, labels = labels, shared = shared.mounts, working_dir = shared.working_dir,
    environment = (plugin.options.build_environment or environment.build)(config, {
      directory = path, group = plugin.group_inside, caller = caller,
      certificate = plugin.certificate and plugin.certificate.certificate,
    }),
  }))
end

local function create(plugin)
  if plugin.config.auto_mtls then
    local err
    plugin.certificate, err = core.certificate.generate()
    if not plugin.certificate then return nil, err end
  end
  local request, unbuildable = launch.request(plugin, plugin.directory:path())
  if not request then return nil, unbuildable end
  plugin.request, plugin.directory_path = plugin.config.debug and request or nil, plugin.directory:path()

  plugin.container_name = plugin.container_name or ("gantry-%s-%s"):format(plugin.name, core.system.random(4))
  -- Not to be left half-way: what the engine is creating has to be known to be removed.
  local created, err = task.shield(plugin.engine.create, plugin.engine, plugin.container_name, request)
  if not created then
    plugin.may_appear = not err.status and UNANSWERED or nil
    return nil, refusal.explain(plugin, request, err)
  end
  plugin.container = created.Id
  for _, warning in ipairs(created.Warnings or {}) do plugin:event("warning", { text = tostring(warning) }) end
  for network, settings in pairs(container.further_networks(plugin.config)) do
    local ok, refused = plugin.engine:connect_network(network, created.Id, settings)
    if not ok then return nil, refused end
  end
  plugin:event("created", { container = created.Id })
  return true
end

---@return gantry.Error
local function start_error(err)
  if err.code == "ENGINE_ANSWER" then return err end
  local lost = not err.status
  return errors.new(lost and "ENGINE_CONNECTION_LOST" or "START_FAILED", err.message, { status = err.status,
    cause = err })
end

local function attach(plugin)
  plugin.progress = task.event()
  plugin.output = output.new {
    on_handshake = function() plugin.progress:set("handshake") end,
    on_output = plugin.options.on_output,
  }
  local ok, err = plugin:attach()
  -- Podman makes the process ready to run already here, and says here what is wrong with its command.
  if not ok and plugin.engine.kind == "podman" and err.status then return nil, start_error(err) end
  return ok, err
end

---Starts the container, beside the wait for the handshake: its process runs before the engine has answered.
local function start(plugin)
  local began = core.loop.clock()
  plugin.started = task.event()
  task.detach(function()
    local ok, err = plugin.engine:start(plugin.container)
    plugin.started:set(ok, err)
    if ok then
      plugin:event("started", { container = plugin.container, seconds = core.loop.clock() - began })
    else
      plugin.progress:set("start_failed")
    end
  end)
  return true
end

---Why the output ended before a handshake: the start failed, the engine went away, or the plugin exited.
local function ended_early(plugin)
  local answered, ok, err = task.deadline(START_ANSWER, function() return true, plugin.started:wait() end)
  if answered and not ok then return nil, start_error(err) end
  if plugin.stream_error then
    return nil, errors.new("ENGINE_CONNECTION_LOST",
      ("the engine closed the connection to container %s during the launch: %s; "
      .. "look at the engine's log"):format(plugin.container:sub(1, 12), plugin.stream_error.message),
        { cause = plugin.stream_error })
  end
  plugin:read_exit()
  if not plugin.exit then
    return nil, errors.new("ENGINE_CONNECTION_LOST",
      ("the output of container %s ended during the launch, but the engine does not report its end; look at the "
      .. "engine's log"):format(plugin.container:sub(1, 12)))
  end
  return nil, errors.new("EXITED_BEFORE_HANDSHAKE", ("plugin '%s' exited before its handshake"):format(plugin.name))
end

local function await_handshake(plugin)
  local timeout = plugin.config.start_timeout
  local what = task.deadline(timeout, function() return plugin.progress:wait() end)
  if what == "handshake" then
    local shake, err = handshake.read(plugin)
    if not shake then return nil, err end
    plugin.handshake = shake
    return true
  end
  if not what then
    return nil, errors.new("START_TIMEOUT",
      ("plugin '%s' gave no handshake within its start_timeout of %gs; if it needs "
      .. "longer, raise start_timeout"):format(plugin.name, timeout))
  end
  return ended_early(plugin)
end

---Why the socket of a plugin that did give its handshake cannot be reached.
local function connect_error(plugin, err)
  if plugin.stream_ended then
    plugin:read_exit()
    return errors.new("EXITED_BEFORE_READY",
      ("plugin '%s' exited after its handshake, before it was ready"):format(plugin.name))
  end
  if not core.system.stat(plugin.handshake.address) then
    return refusal.no_socket(plugin, err)
  end
  return err:wrap(("connect to plugin '%s'"):format(plugin.name))
end

local function tls_options(plugin)
  if not plugin.certificate then return nil end
  return { certificate = plugin.certificate.certificate, key = plugin.certificate.key,
    peer = plugin.handshake.certificate,
    server_name = "localhost" }
end

local function connect(plugin)
  if plugin.handshake.protocol ~= "grpc" then
    -- Nothing there can be asked for its health: that somebody listens has to do.
    local listens, refused = core.system.dial(plugin.handshake.address)
    if listens then return true end
    return nil, connect_error(plugin, refused)
  end
  local client, err = rpc.connect {
    socket = plugin.handshake.address, tls = tls_options(plugin), timeout = plugin.config.start_timeout,
    on_closed = function(reason) plugin.connection_lost = reason end,
  }
  if not client then return nil, connect_error(plugin, err) end
  plugin.connection = client
  plugin.stdio = client:stdio(function(stream, bytes) plugin.output:from_stdio(stream, bytes) end)
  local healthy, unhealthy = client:health(plugin.config.start_timeout)
  if not healthy then return nil, connect_error(plugin, unhealthy) end
  return true
end

local function publish(plugin)
  local directory = plugin.directory:path()
  local socket = plugin.handshake.address:sub(#directory + 2)
  local ok, err = plugin.directory:link(plugin.name .. ".sock", plugin.name .. "/" .. socket)
  if not ok then return nil, err end
  plugin.address = { network = "unix", string = plugin.root .. "/" .. plugin.name .. ".sock" }
  return true
end

local STEPS = {
  { "find_image", find_image.run }, { "check_runtime", check_runtime }, { "open_directory", open_directory },
  { "remove_leftovers", remove_leftovers }, { "create", create }, { "attach", attach }, { "start", start },
  { "await_handshake", await_handshake }, { "connect", connect }, { "publish", publish },
  { "keep", memory.keep }, { "look_again", look_again },
}

---The steps that a launch for another host has in common with ours: see gantry.exec.launcher.
launch.steps = {
  find_image = find_image.run, check_runtime = check_runtime, find_group = find_group, open_directory = open_directory,
  create = create, connect = connect, publish = publish,
}

---Goes through the steps.
---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function launch.run(plugin)
  for _, step in ipairs(STEPS) do
    plugin:event("step", { name = step[1] })
    local ok, err = step[2](plugin)
    if not ok then return nil, err end
  end
  return true
end

---What would be created, with nothing made: the image is looked up, the request is built.
---@param plugin gantry.Plugin
---@return table? request, gantry.Error? err
function launch.plan(plugin)
  for _, step in ipairs { find_image.look_up, check_runtime, find_group } do
    local ok, err = step(plugin)
    if not ok then return nil, err end
  end
  plugin.root = plugin.config.temp_dir or plugin.options.runtime_dir or runtime_dir.path()
  return launch.request(plugin, plugin.root .. "/" .. plugin.name)
end

return launch

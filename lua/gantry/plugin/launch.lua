-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/launch.lua: the order of a launch: image, socket directory, container, attach, start, handshake, connection,
--- health. Each step is a function of the plugin that returns true, or nil and the error that ends the launch.

local container = require "gantry.container"
local core = require "gantry.core"
local environment = require "gantry.plugin.environment"
local errors = require "gantry.errors"
local handshake = require "gantry.plugin.handshake"
local image_name = require "gantry.image"
local leftovers = require "gantry.plugin.leftovers"
local output = require "gantry.plugin.output"
local rpc = require "gantry.rpc"
local runtime_dir = require "gantry.runtime_dir"
local task = require "gantry.task"

local launch = {}

-- Seconds in which a start that is over must have said how it went, once the output has ended.
local START_ANSWER <const> = 10

---@param config gantry.Config
---@return string reference with a tag or digest
local function image_reference(config)
  if config.tag then return config.image .. ":" .. config.tag end
  local parts = image_name.parse(config.image)
  if parts.tag or parts.digest or parts.id then return config.image end
  return config.image .. ":latest"
end

---@param image table the engine's inspect
---@param pin string 64 hex digits
---@return boolean
local function pinned(image, pin)
  if image.Id == "sha256:" .. pin then return true end
  for _, digest in ipairs(image.RepoDigests or {}) do
    if digest:sub(-#pin - 8) == "@sha256:" .. pin then return true end
  end
  return false
end

local function find_image(plugin)
  local config = plugin.config
  plugin.reference = image_reference(config)
  local image, err = plugin.engine:inspect_image(plugin.reference)
  if not image then return nil, err end
  plugin.image = image
  if config.sha256 and not pinned(image, config.sha256) then
    local digests = table.concat(image.RepoDigests or {}, ", ")
    return nil, errors.new("IMAGE_PIN_MISMATCH",
      ("image %s is not the pinned one: the policy says sha256:%s, the engine has "
      .. "%s%s; pull the pinned image or change the policy's sha256"):format(plugin.reference, config.sha256, image.Id,
      digests ~= "" and " (" .. digests .. ")" or ""))
  end
  plugin:event("image", { reference = plugin.reference, id = image.Id })
  return true
end

local function check_runtime(plugin)
  local wanted = plugin.config.runtime
  if not wanted then return true end
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
    return true
  end
  local gid, err = core.group.resolve(tostring(named))
  if not gid then return nil, err:wrap("socket_group") end
  if not core.group.may_assign(gid) then
    return nil, errors.new("GROUP_NOT_ALLOWED",
      ("socket_group: you are not a member of group %s (%d) and may not give files "
      .. "to it; choose one of your groups (see id -Gn)"):format(named, gid))
  end
  plugin.group = gid
  return true
end

local function open_directory(plugin)
  local found, err = find_group(plugin)
  if not found then return nil, err end
  local root = plugin.config.temp_dir or plugin.options.runtime_dir or runtime_dir.path()
  local ok, unsafe = core.socket_dir.root(root)
  if not ok then return nil, unsafe end
  plugin.directory, err = core.socket_dir.make(root, plugin.name, { mode = tonumber("770", 8), group = plugin.group })
  if not plugin.directory then
    if err.code == "SOCKET_DIR_BUSY" then
      return nil, errors.new("ALREADY_RUNNING",
        ("plugin '%s' is already running: another gantry holds %s/%s; stop that one, or "
        .. "give this one another name (--name)"):format(plugin.name, root, plugin.name), { cause = err })
    end
    return nil, err
  end
  plugin.root = root
  return true
end

local function remove_leftovers(plugin)
  local path = plugin.directory:path()
  local had_directory = not plugin.directory:fresh()
  -- Once a process has looked, only itself could leave something there, and it says so.
  if plugin.engine.swept[path] and not had_directory then return true end
  local removed, err = leftovers.remove(plugin.engine, plugin.name, path)
  if not removed then return nil, err end
  plugin.engine.swept[path] = true
  if #removed > 0 or had_directory then
    plugin:event("leftovers", { containers = removed, directory = had_directory and path or nil })
  end
  return true
end

---@return integer[]? gids
local function container_groups(plugin)
  local gids = { plugin.group }
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
  local labels = leftovers.labels(plugin.name, path)
  labels[container.LABEL.version] = require("gantry.version")
  return container.request(config, {
    -- A verified image is named by its id: a tag could be moved between check and creation.
    image = config.sha256 and plugin.image.Id or plugin.reference,
    directory = path, groups = groups, labels = labels,
    environment = environment.build(config, {
      directory = path, group = plugin.group, caller = plugin.options.environment or core.system.environment(),
      certificate = plugin.certificate and plugin.certificate.certificate,
    }),
  })
end

local function create(plugin)
  if plugin.config.auto_mtls then
    local err
    plugin.certificate, err = core.certificate.generate()
    if not plugin.certificate then return nil, err end
  end
  local request, unbuildable = launch.request(plugin, plugin.directory:path())
  if not request then return nil, unbuildable end

  plugin.container_name = ("gantry-%s-%s"):format(plugin.name, core.system.random(4))
  -- Not to be left half-way: what the engine is creating has to be known to be removed.
  local created, err = task.shield(plugin.engine.create, plugin.engine, plugin.container_name, request)
  if not created then return nil, err end
  plugin.container = created.Id
  for _, warning in ipairs(created.Warnings or {}) do plugin:event("warning", { text = warning }) end
  for network, settings in pairs(container.further_networks(plugin.config)) do
    local ok, refused = plugin.engine:connect_network(network, created.Id, settings)
    if not ok then return nil, refused end
  end
  plugin:event("created", { container = created.Id })
  return true
end

local function attach(plugin)
  plugin.progress = task.event()
  plugin.output = output.new {
    on_handshake = function() plugin.progress:set("handshake") end,
    on_output = plugin.options.on_output,
  }
  return plugin:attach()
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

---@return gantry.Error
local function start_error(err)
  local lost = not err.status
  return errors.new(lost and "ENGINE_CONNECTION_LOST" or "START_FAILED", err.message, { status = err.status,
    cause = err })
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
    return errors.new("SOCKET_NOT_VISIBLE",
      ("plugin '%s' listens on %s, but no such socket is on the host; runtime runsc needs "
      .. "the flag --host-uds=create, and the engine must run on this machine"):format(plugin.name,
        plugin.handshake.address),
      { cause = err })
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
    if core.system.stat(plugin.handshake.address) then return true end
    return nil, connect_error(plugin, nil)
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
  find_image, check_runtime, open_directory, remove_leftovers, create, attach, start, await_handshake, connect, publish,
}

---Goes through the steps.
---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function launch.run(plugin)
  for _, step in ipairs(STEPS) do
    local ok, err = step(plugin)
    if not ok then return nil, err end
  end
  return true
end

---What would be created, with nothing made: the image is looked up, the request is built.
---@param plugin gantry.Plugin
---@return table? request, gantry.Error? err
function launch.plan(plugin)
  for _, step in ipairs { find_image, check_runtime, find_group } do
    local ok, err = step(plugin)
    if not ok then return nil, err end
  end
  plugin.root = plugin.config.temp_dir or plugin.options.runtime_dir or runtime_dir.path()
  return launch.request(plugin, plugin.root .. "/" .. plugin.name)
end

return launch

-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/launch.lua: the order of a launch: image, socket directory, container, attach, start, handshake, connection,
--- health. Each step is a function of the plugin that returns true, or nil and the error that ends the launch.

local c_module = require "gantry.base.c_module"
local claims = require "gantry.plugin.claims"
local container = require "gantry.engine.container"
local core = require "gantry.core"
local credentials = require "gantry.plugin.credentials"
local later = require "gantry.base.later"
local denied = later "gantry.plugin.denied"
local env_files = require "gantry.plugin.env_files"
local environment = require "gantry.plugin.environment"
local errors = require "gantry.base.errors"
local find_image = require "gantry.plugin.find_image"
local groups = require "gantry.plugin.groups"
local home = require "gantry.config.home"
local handshake = require "gantry.plugin.handshake"
local leftovers = require "gantry.plugin.leftovers"
local reattach_data = later "gantry.place.reattach_data"
local isolation = require "gantry.plugin.isolation"
local launches = require "gantry.place.launches"
local listener = require "gantry.plugin.listener"
local machine = require "gantry.base.machine"
local masking = require "gantry.plugin.masking"
local ownership = require "gantry.place.ownership"
local relabel = require "gantry.plugin.relabel"
local refusal = require "gantry.plugin.refusal"
local removal = require "gantry.plugin.removal"
local rootless = require "gantry.plugin.rootless"
local rpc = later "gantry.grpc.rpc"
local runtime_dir = require "gantry.place.runtime_dir"
local scratch = require "gantry.plugin.scratch"
local shared_folders = require "gantry.plugin.shared_folders"
local sockets_in_tmp = require "gantry.place.sockets_in_tmp"
local socket_directory = require "gantry.place.socket_directory"
local task = require "gantry.task"
local userns = require "gantry.plugin.userns"

local launch = {}

-- Seconds in which a start that is over must have said how it went, once the output has ended.
local START_ANSWER <const> = 10

-- Seconds in which a container may appear whose creation was not answered.
local UNANSWERED <const> = 1

-- Of socket directories: for the user and the group.
local GROUP_MODE <const> = tonumber("770", 8)

-- Bytes of a name to which something is added: paths of sockets are short.
local LONGEST_BASE <const> = 40

---@param config gantry.Config
---@param options gantry.LaunchOptions
---@return string
function launch.name(config, options)
  local name = options.name or config.name
  return options.unique and ("%s-%s"):format(name:sub(1, LONGEST_BASE), core.system.random(3)) or name
end

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

---How plugin and host share a socket that is made by this group.
---@param plugin gantry.Plugin
---@param gid integer
local function share_by(plugin, gid)
  plugin.group = gid
  local mapped, err = userns.settle(plugin)
  if mapped == nil then return nil, err end
  if mapped then return true end
  return rootless.settle(plugin)
end

---The group that plugin and host share: the policy's, else the caller's own.
local function find_group(plugin)
  local named = plugin.config.socket_group
  if not named then return share_by(plugin, core.group.effective()) end
  local gid, err = core.group.resolve(tostring(named))
  if not gid then return nil, err:wrap("socket_group") end
  if not core.group.may_assign(gid) then
    return nil, errors.new("GROUP_NOT_ALLOWED",
      ("socket_group: you are not a member of group %s (%d) and may not give files "
      .. "to it; choose one of your groups (see id -Gn)"):format(named, gid))
  end
  return share_by(plugin, gid)
end

local function open_directory(plugin)
  local found, err = find_group(plugin)
  if not found then return nil, err end
  local root = plugin.config.temp_dir or plugin.options.runtime_dir or runtime_dir.path()
  local ok, unsafe = core.socket_dir.root(root)
  if not ok then return nil, unsafe end
  local visible, hidden = refusal.check_visible(plugin, root)
  if not visible then return nil, hidden end
  local name = plugin.options.directory_name or plugin.name
  plugin.directory, err = socket_directory.make(root, name,
    { mode = plugin.options.directory_mode or GROUP_MODE, group = plugin.group },
    function() return claims.check(plugin.engine, plugin.name, root .. "/" .. name, plugin.options) end)
  if not plugin.directory then
    if err.code ~= "SOCKET_DIR_BUSY" then return nil, err end
    return nil, claims.held(plugin.name, root .. "/" .. name, plugin.options.environment)
  end
  plugin.root = root
  local prepared, unsuited = userns.prepare(plugin)
  if not prepared then return nil, unsuited end
  return rootless.prepare(plugin)
end

---Once for each engine, beside the launch, what was left when the machine's power went.
---@param plugin gantry.Plugin
local function look_for_earlier_boots(plugin)
  local engine = plugin.engine
  if engine.looked_back then return end
  engine.looked_back = true
  task.detach(function()
    local removed = leftovers.remove_earlier_boots(engine, plugin.options.environment)
    if #removed > 0 then plugin:event("leftovers", { containers = removed }) end
  end)
end

local function remove_leftovers(plugin)
  look_for_earlier_boots(plugin)
  if plugin.options.unique then
    leftovers.sweep(plugin.engine, plugin.options.environment)
    return true
  end
  local path = plugin.directory:path()
  local had_directory = not plugin.directory:fresh()
  -- Once a process has looked, only itself could leave something there, and it says so.
  if plugin.engine.swept[path] and not had_directory then return true end
  local result, err = leftovers.remove(plugin.engine, plugin.name, path, plugin.options)
  if not result then return nil, err end
  local removed = result.removed
  plugin.engine.swept[path] = true
  plugin.found_directory = had_directory
  for id, reason in pairs(result.corpses) do plugin:event("corpse", { container = id, error = reason }) end
  if #removed > 0 or had_directory then
    plugin:event("leftovers", { containers = removed, directory = had_directory and path or nil })
  end
  return true
end

---Looks once more where a killed gantry was: it may have asked for a container that the engine made only now.
local function look_again(plugin)
  if not plugin.found_directory then return true end
  local result = leftovers.remove(plugin.engine, plugin.name, plugin.directory:path(),
    { own = plugin.container, environment = plugin.options.environment, supervisor = plugin.options.supervisor })
  if result and #result.removed > 0 then plugin:event("leftovers", { containers = result.removed }) end
  return true -- what could not be removed now, the next launch removes
end

---What the engine will be asked for. Needs the image, the group and the socket directory's path.
---@param plugin gantry.Plugin
---@param path string
---@return table? request, gantry.Error?
function launch.request(plugin, path)
  local caller = plugin.options.environment or core.system.environment()
  local config, homeless = home.settle(plugin.config, caller)
  if not config then return nil, homeless end
  plugin.config = config
  local gids, err = groups.of(plugin)
  if not gids then return nil, err end
  local labels = ownership.labels(plugin.name, path)
  labels[container.LABEL.version] = require("gantry.base.version")
  if plugin.options.unique then labels[container.LABEL.unique] = plugin.name end
  for key, value in pairs(plugin.options.labels or {}) do labels[key] = value end
  local shared, unshareable = shared_folders.of(config, caller, plugin.engine)
  if not shared then return nil, unshareable end
  local labelled, unlabelled = relabel.facts(plugin, path)
  if not labelled then return nil, unlabelled end
  for _, warning in ipairs { shared.warning or false, userns.warning(plugin, shared.mounts) or false,
    labelled.selinux and relabel.warning(plugin, shared.mounts) or false } do
    if warning then plugin:event("warning", { text = warning }) end
  end
  plugin.scratch = scratch.of(plugin, path, shared.mounts, caller)
  local from_files, unreadable = env_files.read(config)
  if not from_files then return nil, unreadable end
  for _, text in ipairs(from_files.warnings) do plugin:event("warning", { text = text }) end
  local entries = (plugin.options.build_environment or environment.build)(config, {
    directory = path, group = plugin.group_inside, caller = caller, files = from_files.values,
    temporary = plugin.scratch.temporary,
    certificate = plugin.certificate and plugin.certificate.certificate,
    credentials = plugin.credentials and plugin.credentials.target,
  })
  labels[container.LABEL.masked] = masking.label(entries, from_files.values)
  local request = container.request(config, {
    -- A verified image is named by its id: a tag could be moved between check and creation.
    image = (config.sha256 or config.binary) and plugin.image.Id or plugin.reference, credentials = plugin.credentials,
    directory = path, groups = gids, labels = labels, shared = shared.mounts, libraries = plugin.libraries,
    working_dir = shared.working_dir,
    environment = entries, selinux = labelled.selinux, relabel = labelled.relabel, tmpfs = plugin.scratch.tmpfs,
  })
  local ok, wrong = isolation.settle(plugin, request)
  if not ok then return nil, wrong end
  return plugin.engine:fit(request, plugin.credentials and plugin.credentials.source)
end

---@param plugin gantry.Plugin whose names are chosen
---@return boolean? ok, gantry.Error? err
local function make_credentials(plugin)
  if not plugin.credentials then return true end
  local ok, err = credentials.check(plugin.config)
  if not ok then return nil, err end
  return credentials.make(plugin)
end

---Writes down what the engine is about to be asked for.
---@param plugin gantry.Plugin
---@return gantry.LaunchRecord
local function keep_record(plugin)
  local record = { container = plugin.container_name, plugin = plugin.name, engine = plugin.engine.endpoint.name,
    directory = plugin.directory_path, boot = machine.boot(), keep = plugin.config.debug and true or nil,
    pid = core.system.pid(), supervisor = plugin.options.supervisor,
    credentials = plugin.credentials and plugin.credentials.source }
  local written, unwritten = launches.keep(record, plugin.options.environment)
  if not written then
    plugin:event("warning", { text = ("if this gantry is killed, nobody will take its container %s away: %s; set "
      .. "GANTRY_STATE_DIR to a folder of yours"):format(plugin.container_name, unwritten.message) })
  end
  return record
end

local function create(plugin)
  if plugin.config.auto_mtls then
    local certificate, err = c_module.load "certificate"
    if not certificate then return nil, err end
    plugin.certificate, err = certificate.generate()
    if not plugin.certificate then return nil, err end
  end
  plugin.directory_path = plugin.directory:path()
  local named, unnameable = credentials.settle(plugin, core.system.random(4))
  if not named then return nil, unnameable end
  local request, unbuildable = launch.request(plugin, plugin.directory_path)
  if not request then return nil, unbuildable end
  plugin.request, plugin.has_init = plugin.config.debug and masking.request(request) or nil,
    request.HostConfig.Init

  plugin.container_name = plugin.container_name or ("gantry-%s-%s"):format(plugin.name, core.system.random(4))
  if plugin.credentials then launches.drop_earlier_credentials(plugin.directory_path, plugin.options.environment) end
  local record = keep_record(plugin)
  local made, unmakeable = make_credentials(plugin)
  if not made then return nil, unmakeable end
  -- Not to be left half-way: what the engine is creating has to be known to be removed, also by who is cancelled here.
  local created, err = task.shield(function()
    local answer, failure = plugin.engine:create(plugin.container_name, request)
    plugin.may_appear = failure and not failure.status and UNANSWERED or nil
    return answer, failure
  end)
  if not created then return nil, refusal.explain(plugin, request, err) end
  plugin.container, record.id = created.Id, created.Id
  launches.keep(record, plugin.options.environment) -- it may be renamed by hand
  local filled, unfilled = credentials.fill(plugin)
  if not filled then return nil, unfilled end
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
  plugin:open_output(function()
    plugin.progress:set("handshake")
    plugin:apply_pause()
  end)
  local ok, err = plugin:attach()
  -- Podman makes the process ready to run already here, and says here what is wrong with its command.
  if not ok and plugin.engine.kind == "podman" and err.status then return nil, start_error(err) end
  return ok, err
end

---Starts the container, beside the wait for the handshake: its process runs before the engine has answered.
local function start(plugin)
  local began = core.loop.clock()
  plugin.run_since = began
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

---Starts a plugin once more whose sockets are to be where TMPDIR says, with its socket directory there.
local function start_again(plugin)
  task.deadline(START_ANSWER, function() return plugin.started:wait() end)
  plugin.attached:cancel()
  local gone, err = removal.remove(plugin.engine, plugin.container)
  if not gone then return nil, err end
  launches.forget(plugin.container_name, plugin.directory_path, plugin.options.environment)
  plugin.container, plugin.container_name, plugin.inspected = nil, nil, nil
  plugin.sockets_in_tmp = true
  sockets_in_tmp.remember(plugin)
  plugin:event("warning", { text = scratch.explain(plugin.name) })
  for _, step in ipairs { create, attach, start } do
    local ok, failure = step(plugin)
    if not ok then return nil, failure end
  end
  return true
end

local function await_handshake(plugin)
  local timeout = plugin.config.start_timeout
  local what = task.deadline(timeout, function() return plugin.progress:wait() end)
  if what == "handshake" then
    local shake, err = handshake.read(plugin)
    if not shake and err.in_scratch then
      local ok, failure = start_again(plugin)
      if not ok then return nil, failure end
      return await_handshake(plugin)
    end
    if not shake then return nil, err end
    plugin.handshake, plugin.handshake_ms = shake, (core.loop.clock() - plugin.began) * 1000
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
  if plugin.handshake.network == "tcp" then
    local listens, refused = listener.dial(plugin.handshake)
    return listens and err or errors.new(refused.code, ("plugin '%s' %s"):format(plugin.name, refused.message))
  elseif not core.system.stat(plugin.handshake.address) then
    return refusal.no_socket(plugin, err)
  end
  return denied.explain(plugin, err) or err:wrap(("connect to plugin '%s'"):format(plugin.name))
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
    local listens, refused = listener.dial(plugin.handshake)
    if listens then return true end
    return nil, connect_error(plugin, refused)
  end
  local options, wrong = listener.options(plugin.handshake)
  if not options then return nil, wrong end
  options.tls, options.timeout = tls_options(plugin), plugin.config.start_timeout
  options.on_closed = function(reason) plugin.connection_lost = reason end
  local client, err = rpc.connect(options)
  if not client then return nil, connect_error(plugin, err) end
  plugin.connection = client
  plugin:follow_stdio()
  local healthy, unhealthy = client:health(plugin.config.start_timeout)
  if not healthy then return nil, connect_error(plugin, unhealthy) end
  return true
end

local function publish(plugin)
  if plugin.handshake.network == "tcp" then
    plugin.address = { network = "tcp", string = plugin.handshake.address }
    return true
  end
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
  { "keep", reattach_data.keep }, { "look_again", look_again },
}

---The steps that a launch for another host has in common with ours: see gantry.exec.launcher.
launch.steps = {
  find_image = find_image.run, check_runtime = check_runtime, find_group = find_group, open_directory = open_directory,
  create = create, start_error = start_error, connect = connect, publish = publish,
}

---Goes through the steps.
---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function launch.run(plugin)
  local on_step = plugin.options.on_step
  plugin.engine:ask()
  for _, step in ipairs(STEPS) do
    if on_step then on_step(step[1]) end
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
  local ok, err = credentials.settle(plugin)
  if ok then ok, err = credentials.check(plugin.config) end
  if not ok then return nil, err end
  return launch.request(plugin, plugin.root .. "/" .. plugin.name)
end

return launch

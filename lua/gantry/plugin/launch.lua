-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/launch.lua: the order of a launch: image, socket directory, container, attach, start, handshake, connection,
--- health. Each step is a function of the plugin that returns true, or nil and the error that ends the launch.

local c_module = require "gantry.base.c_module"
local later = require "gantry.base.later"
local clean_start = later "gantry.plugin.clean_start"
local claims = later "gantry.plugin.claims"
local container = require "gantry.engine.container"
local core = require "gantry.core"
local credentials = require "gantry.plugin.credentials"
local denied = later "gantry.plugin.denied"
local env_files = require "gantry.plugin.env_files"
local environment = later "gantry.plugin.environment"
local errors = require "gantry.base.errors"
local gate = later "gantry.plugin.gate"
local find_image = require "gantry.plugin.find_image"
local groups = require "gantry.plugin.groups"
local home = require "gantry.config.home"
local handshake = later "gantry.plugin.handshake"
local reattach_data = later "gantry.place.reattach_data"
local interface = require "gantry.engine.interface"
local isolation = require "gantry.plugin.isolation"
local launches = require "gantry.place.launches"
local listener = later "gantry.plugin.listener"
local machine = require "gantry.base.machine"
local masking = require "gantry.plugin.masking"
local ownership = require "gantry.place.ownership"
local relabel = require "gantry.plugin.relabel"
local refusal = require "gantry.plugin.refusal"
local release = later "gantry.plugin.release"
local removal = later "gantry.plugin.removal"
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
  return plugin.engine:check_runtime(plugin.config.runtime)
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

---@param plugin gantry.Plugin
---@param root string
---@param name string of the directory
---@return table? directory which nobody else has, gantry.Error? err ALREADY_RUNNING
local function take_directory(plugin, root, name)
  local path = root .. "/" .. name
  local directory, err = socket_directory.make(root, name,
    { mode = plugin.options.directory_mode or GROUP_MODE, group = plugin.group },
    function() return claims.check(plugin.engine, plugin.name, path, plugin.options) end)
  if directory or err.code ~= "SOCKET_DIR_BUSY" then return directory, err end
  return nil, claims.held(plugin.name, path, plugin.options.environment)
end

---A plugin whose sockets are in a directory of another name has its own name to itself all the same.
---@param plugin gantry.Plugin
local function hold_name(plugin)
  local path = plugin.root .. "/" .. plugin.name
  if plugin.directory:path() == path then return true end
  plugin.name_directory = release.name(plugin.options.follows, path)
  if plugin.name_directory then return true end
  local err
  plugin.name_directory, err = take_directory(plugin, plugin.root, plugin.name)
  return plugin.name_directory and true, err
end

local function open_directory(plugin)
  local root = plugin.config.temp_dir or plugin.options.runtime_dir or runtime_dir.path()
  local ok, unsafe = core.socket_dir.root(root)
  if not ok then return nil, unsafe end
  local visible, hidden = refusal.check_visible(plugin, root)
  if not visible then return nil, hidden end
  local found, err = find_group(plugin) -- waits for what the engine says of itself
  if not found then return nil, err end
  -- Its own sockets are to be where only a name stood.
  local held = release.name(plugin.options.follows, root .. "/" .. plugin.name)
  if held then socket_directory.remove(held) end
  plugin.directory, err = take_directory(plugin, root, plugin.options.directory_name or plugin.name)
  if not plugin.directory then return nil, err end
  plugin.root = root
  local prepared, unsuited = userns.prepare(plugin)
  if not prepared then return nil, unsuited end
  return rootless.prepare(plugin)
end

---What the container will be. Needs the image, the group and the socket directory's path.
---@param plugin gantry.Plugin
---@param path string
---@return gantry.ContainerSpec? spec, gantry.Error?
local function spec_of(plugin, path)
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
  local spec = container.spec(config, {
    -- A verified image is named by its id: a tag could be moved between check and creation.
    image = (config.sha256 or config.binary) and plugin.image.id or plugin.reference, credentials = plugin.credentials,
    directory = path, groups = gids, labels = labels, shared = shared.mounts, libraries = plugin.libraries,
    working_dir = shared.working_dir,
    environment = entries, selinux = labelled.selinux, relabel = labelled.relabel, tmpfs = plugin.scratch.tmpfs,
    outlives = plugin.options.supervisor ~= nil or config.debug or config.outlive_host or nil,
  })
  local ok, wrong = isolation.settle(plugin, spec)
  if not ok then return nil, wrong end
  return spec
end

---@param plugin gantry.Plugin
---@param spec gantry.ContainerSpec
---@return table? request the engine's own, gantry.Error? err
local function request_of(plugin, spec)
  return plugin.engine:request(spec, plugin.credentials and plugin.credentials.source)
end

---What there is to show of a launch that is looked into.
---@param plugin gantry.Plugin
---@param spec gantry.ContainerSpec
local function keep_spec(plugin, spec)
  plugin.has_init = spec.init
  if not plugin.config.debug then return end
  plugin.spec = masking.spec(spec)
  plugin.request = request_of(plugin, plugin.spec)
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
    credentials = plugin.credentials and plugin.credentials.source, id = plugin.container,
    waits = plugin.options.ahead, fits = plugin.options.fits, by_input = plugin.asked_by_input or nil }
  local written, unwritten = launches.keep(record, plugin.options.environment)
  if not written then
    plugin:event("warning", { text = ("if this gantry is killed, nobody will take its container %s away: %s; set "
      .. "GANTRY_STATE_DIR to a folder of yours"):format(plugin.container_name, unwritten.message) })
  end
  return record
end

---What its container is to be, and be told when it starts.
---@param plugin gantry.Plugin with image, group and socket directory
---@return gantry.ContainerSpec? spec, gantry.Error? err
local function describe(plugin)
  if plugin.config.auto_mtls then
    local certificate, err = c_module.load "certificate"
    if not certificate then return nil, err end
    plugin.certificate, err = certificate.generate()
    if not plugin.certificate then return nil, err end
  end
  plugin.directory_path = plugin.directory:path()
  local named, unnameable = credentials.settle(plugin, core.system.random(4))
  if not named then return nil, unnameable end
  return spec_of(plugin, plugin.directory_path)
end

local function create(plugin)
  local spec, unbuildable = describe(plugin)
  if not spec then return nil, unbuildable end
  local asked, unable = spec, nil
  if plugin.options.ahead then asked, unable = gate.settle(plugin, spec) end
  if not asked then return nil, unable end
  local request, unfit = request_of(plugin, asked)
  if not request then return nil, unfit end
  keep_spec(plugin, spec)

  plugin.container_name = plugin.container_name or launches.container_name(plugin.name)
  if plugin.credentials then launches.drop_earlier_credentials(plugin.directory_path, plugin.options.environment) end
  local record = keep_record(plugin)
  local made, unmakeable = make_credentials(plugin)
  if not made then return nil, unmakeable end
  -- Not to be left half-way: what the engine is creating has to be known to be removed, also by who is cancelled here.
  local created, err = task.shield(function()
    local answer, failure = plugin.engine:create(plugin.container_name, request)
    plugin.may_appear = failure and removal.may_appear(failure)
    return answer, failure
  end)
  if not created then return nil, refusal.explain(plugin, spec, err) end
  plugin.container, record.id = created.id, created.id
  launches.keep(record, plugin.options.environment) -- it may be renamed by hand
  local filled, unfilled = credentials.fill(plugin)
  if not filled then return nil, unfilled end
  for _, warning in ipairs(created.warnings) do plugin:event("warning", { text = tostring(warning) }) end
  -- Engines before API 1.44 take one network at creation.
  for network, settings in pairs(spec.endpoints) do
    local ok, refused = network == spec.network or nil, nil
    if not ok then ok, refused = plugin.engine:connect_network(network, created.id, settings) end
    if not ok then return nil, refused end
  end
  plugin:event("created", { container = created.id })
  return true
end

local SAYS_ALL <const> = { ENGINE_ANSWER = true, START_FAILED = true, LIMIT_NOT_DELEGATED = true }

---@return gantry.Error
local function start_error(err)
  if SAYS_ALL[err.code] then return err end
  local lost = not interface.answered(err)
  return errors.new(lost and "ENGINE_CONNECTION_LOST" or "START_FAILED", err.message, { status = err.status,
    cause = err })
end

local function attach(plugin)
  plugin.progress = task.event()
  plugin:open_output(function()
    plugin.progress:set("handshake")
    plugin:apply_pause()
  end)
  return plugin:attach()
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
  -- An engine may learn only from its end that the program was never run.
  local state = plugin.inspected and plugin.inspected.state
  if state and state.status == "created" and state.error then return nil, errors.new("START_FAILED", state.error) end
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
  local asked = task.event()
  options.on_made = function(made)
    task.detach(function() asked:set(made:health(plugin.config.start_timeout)) end)
  end
  local client, err = rpc.connect(options)
  if not client then return nil, connect_error(plugin, err) end
  plugin.connection = client
  plugin:follow_stdio()
  local healthy, unhealthy = asked:wait()
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
  local ok, err = plugin.directory:link(plugin.name .. ".sock", directory:match "[^/]+$" .. "/" .. socket)
  if not ok then return nil, err end
  plugin.address = { network = "unix", string = plugin.root .. "/" .. plugin.name .. ".sock" }
  return true
end

-- Steps of modules that a launch for another host never needs.
local function remove_leftovers(plugin) return clean_start.remove_leftovers(plugin) end
local function look_again(plugin) return clean_start.look_again(plugin) end
local function keep(plugin) return reattach_data.keep(plugin) end

local STEPS = {
  { "find_image", find_image.run }, { "check_runtime", check_runtime }, { "open_directory", open_directory },
  { "remove_leftovers", remove_leftovers }, { "create", create }, { "attach", attach }, { "start", start },
  { "await_handshake", await_handshake }, { "connect", connect }, { "publish", publish },
  { "keep", keep }, { "look_again", look_again },
}

---The steps that other lives have in common: a launch for another host (gantry.exec.launcher), one ahead of its time
---(gantry.plugin.ahead), an adoption.
launch.steps = { find_group = find_group, describe = describe,
  start_error = start_error, keep_record = keep_record, hold_name = hold_name }
for _, step in ipairs(STEPS) do launch.steps[step[1]] = step[2] end

---Goes through the steps.
---@param plugin gantry.Plugin
---@param steps { [1]: string, [2]: fun(plugin: gantry.Plugin): boolean?, gantry.Error? }[]? all of a launch where nil
---@return boolean? ok, gantry.Error? err
function launch.run(plugin, steps)
  local on_step = plugin.options.on_step
  if plugin.engine.chosen and not plugin.options.supervisor then
    plugin:event("engine", { text = plugin.engine.chosen })
  end
  plugin.engine:ask()
  for _, step in ipairs(steps or STEPS) do
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
  local spec, unbuildable = spec_of(plugin, plugin.root .. "/" .. plugin.name)
  if not spec then return nil, unbuildable end
  -- What the engine would ignore is refused of what it would be asked for, and what is shown of that is masked.
  return request_of(plugin, masking.spec(spec))
end

return launch

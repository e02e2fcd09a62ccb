-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/attach.lua: finds a plugin that runs already and connects to it, with nothing taken over: its container stays
--- whose it was. Gantry's own and those of other launchers (plugincontainer) are found by what the engine says of them.

local LABEL = require("gantry.engine.container").LABEL
local addresses = require "gantry.plugin.addresses"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local listener = require "gantry.plugin.listener"
local launches = require "gantry.place.launches"
local leftovers = require "gantry.plugin.leftovers"
local reattach_data = require "gantry.place.reattach_data"
local ownership = require "gantry.place.ownership"
local rpc = require "gantry.grpc.rpc"
local runtime_dir = require "gantry.place.runtime_dir"
local socket_directory = require "gantry.place.socket_directory"
local task = require "gantry.task"
local validate = require("gantry.config").validate
local words = require "gantry.base.words"

local attach = {}

-- The socket directory as plugincontainer mounts it.
local FOREIGN_TARGET <const> = "/tmp/go-plugin-container"
local NAMES_PER_STEP <const> = 500

-- Seconds: for one socket to answer; for the engine to know that a container runs.
local CONNECT_TIMEOUT <const>, SETTLING <const> = 10, 1

-- Of plugins and containers, and ids: what else would become part of a request's path.
local NAME <const> = "^[%w_-][%w._-]*$"

-- What an engine says of containers that have not ended.
local LIVING <const> = { created = true, running = true, paused = true }

---@class gantry.Found a running plugin
---@field name string
---@field container string the engine's id
---@field inspected table the engine's inspect
---@field launcher "gantry"|"other"
---@field directory string its socket directory on the host
---@field network "unix"|"tcp"
---@field sockets string[] candidates on the host, the likeliest first; of TCP one host:port
---@field address string stable where it has such a one
---@field protocol string? nil where only asking tells
---@field protocol_version integer
---@field pid integer on the host
---@field reattach_data gantry.ReattachData?

---@param code string
---@param text string
---@return nil, gantry.Error
local function refuse(code, text)
  return nil, errors.new(code, text)
end

---@param inspected table
---@return table<string, string> environment the last of two of one name
local function environment_of(inspected)
  local environment = {}
  for _, entry in ipairs(inspected.env) do
    local name, value = entry:match("^([^=]*)=(.*)$")
    if name then environment[name] = value end
  end
  return environment
end

---@param containers table[]
---@param name string
---@return nil, gantry.Error
local function ambiguous(containers, name)
  local ids = {}
  for i, one in ipairs(containers) do ids[i] = one.id:sub(1, 12) end
  return refuse("PLUGIN_AMBIGUOUS", ("%d plugins are called '%s': name one by its container: %s"):format(#containers,
    name, table.concat(ids, ", ")))
end

-- How near a container of a plugin's name is to its caller: the stable address here leads to it; its sockets are in
-- the directory of that name; in another one beside it, as of what was made ahead; or elsewhere. A directory that has
-- gone is of one that ended, whatever the engine still says.
local LED_TO <const>, OWN <const>, BESIDE <const>, ELSEWHERE <const> = 1, 2, 3, 4

---@param directory any
---@param here string path of the directory of that name
---@param target string? directory to which the stable address leads
---@return integer
local function nearness_of(directory, here, target)
  if type(directory) ~= "string" then return ELSEWHERE end
  if target and core.system.real_path(directory) == target then return LED_TO end
  if directory == here then return OWN end
  local is_beside = directory:match "^(.*)/" == here:match "^(.*)/" and core.system.stat(directory)
  return is_beside and BESIDE or ELSEWHERE
end

---The nearest containers of a plugin's name that live.
---@param containers table[]
---@param name string
---@return table[]
local function alive_of(containers, name)
  local here, found, nearest = runtime_dir.path() .. "/" .. name, {}, ELSEWHERE
  local target = (core.system.real_path(here .. ".sock") or ""):match "^(.*)/"
  for _, one in ipairs(containers) do
    local directory = one.labels and one.labels[LABEL.directory]
    local launch = launches.of(one.name, directory)
    if LIVING[one.status] and not (launch and launch.waits) then
      local nearness = nearness_of(directory, here, target)
      found[nearness] = found[nearness] or {}
      table.insert(found[nearness], one)
      nearest = math.min(nearest, nearness)
    end
  end
  return found[nearest] or {}
end

---The container of a plugin's name, of a container's name, or of an id.
---@param engine gantry.EngineClient
---@param name string
---@return table? inspected, gantry.Error?
local function look_up(engine, name)
  if not name:find(NAME) then
    return refuse("NAME_INVALID", ("%s names neither a plugin nor a container: such a name has letters, digits, '.', "
      .. "'_' or '-' and no leading '.'; `gantry ps` and `%s` list them"):format(words.show(name),
      engine:by_hand "list"))
  end
  local containers, err = engine:list { [LABEL.plugin] = name }
  if not containers then return nil, err end
  local alive = alive_of(containers, name)
  if #alive > 1 then return ambiguous(alive, name) end
  local inspected, failure = engine:inspect(alive[1] and alive[1].id or name)
  if inspected then return inspected end
  if failure.code ~= "NOT_FOUND" then return nil, failure end
  return refuse("PLUGIN_NOT_FOUND", ("no plugin or container '%s' is on the engine at %s; `gantry ps` and `%s` list "
    .. "them"):format(name, engine.endpoint.name, engine:by_hand "list"))
end

---@param state gantry.ContainerState
---@return boolean
local function is_begun(state)
  return state.status ~= "created" and (not state.running or state.pid ~= nil)
end

---A plugin that speaks may not be running yet, by the engine's account, or not as which process: it is given a moment.
---@param engine gantry.EngineClient
---@param inspected table
---@return table? inspected, gantry.Error?
local function settle(engine, inspected)
  local until_when = core.loop.clock() + SETTLING
  while not is_begun(inspected.state) and core.loop.clock() < until_when do
    task.sleep(SETTLING / 20)
    local again, err = engine:inspect(inspected.id)
    if not again then return nil, err end
    inspected = again
  end
  return inspected
end

---@param inspected table
---@param name string
---@return string? directory on the host, gantry.Error?
local function directory_of(inspected, name)
  local inside = environment_of(inspected).PLUGIN_UNIX_SOCKET_DIR
  local labelled = inspected.labels[LABEL.directory]
  local directory, err = addresses.to_host(inspected, inside or labelled or FOREIGN_TARGET)
  if directory then return directory end
  if not inside and not labelled then
    return refuse("NOT_A_PLUGIN", ("container '%s' is not a plugin: it has neither PLUGIN_UNIX_SOCKET_DIR nor a mount "
      .. "at %s"):format(name, FOREIGN_TARGET))
  end
  return nil, err
end

---The sockets in a directory, the oldest first: a plugin listens before its broker does.
---@param directory string
---@return string[]? paths, gantry.Error?
local function sockets_in(directory)
  local names, err = core.files.list(directory)
  if not names then return nil, err end
  local found, age = {}, {}
  for index, name in ipairs(names) do
    if index % NAMES_PER_STEP == 0 then task.sleep(0) end -- the plugin fills its directory as it likes
    local path = directory .. "/" .. name
    local status = core.system.stat(path)
    if status and status.type == "socket" then
      found[#found + 1], age[path] = path, status.mtime
    end
  end
  table.sort(found, function(left, right)
    if age[left] ~= age[right] then return age[left] < age[right] end
    return left < right
  end)
  return found
end

---What cannot be attached to, whoever tries.
---@param environment table<string, string>
---@param kept gantry.ReattachData?
---@param name string
---@return boolean? ok, gantry.Error?
local function check_possible(environment, kept, name)
  if (environment.PLUGIN_CLIENT_CERT or "") ~= "" and not (kept and kept.certificate) then
    return refuse("REATTACH_KEY_MISSING", ("plugin '%s' was launched with AutoMTLS, and its key is not here: only the "
      .. "user who launched it can attach to it (GANTRY_STATE_DIR says where gantry keeps keys)"):format(name))
  end
  if environment.PLUGIN_MULTIPLEX_GRPC == "true" then
    return refuse("REATTACH_MULTIPLEXED", ("plugin '%s' was launched with gRPC multiplexing: its one connection is "
      .. "its host's, and nobody else can attach"):format(name))
  end
  return true
end

---@param environment table<string, string>
---@return integer version the highest that the launcher offered
local function offered_version(environment)
  local highest = 1
  for text in (environment.PLUGIN_PROTOCOL_VERSIONS or ""):gmatch("%d+") do
    highest = math.max(highest, math.tointeger(tonumber(text)))
  end
  return highest
end

---@param engine gantry.EngineClient
---@param container string id of one that somebody has paused
---@return gantry.Error
function attach.paused(engine, container)
  return errors.new("CONTAINER_PAUSED", ("container %s is paused; `%s` lets it go on"):format(container:sub(1, 12),
    engine:by_hand("unpause", container)))
end

---What the engine and the state directory say of a running plugin. Nothing is connected to.
---@param engine gantry.EngineClient
---@param name string the plugin's, or a container's name or id
---@param options { environment: table<string, string>? }?
---@return gantry.Found? found, gantry.Error? err
function attach.find(engine, name, options)
  local inspected, err = look_up(engine, name)
  if inspected then inspected, err = settle(engine, inspected) end
  if not inspected then return nil, err end
  if not inspected.state.running then
    return refuse("NOT_RUNNING", ("container '%s' does not run (%s); only a running plugin can be attached to")
      :format(name, inspected.state.status))
  end
  if inspected.state.paused then return nil, attach.paused(engine, inspected.id) end
  local kept = reattach_data.of(inspected.id, options and options.environment)
  local environment = environment_of(inspected)
  local possible, why_not = check_possible(environment, kept, name)
  if not possible then return nil, why_not end
  local directory, outside = directory_of(inspected, name)
  if not directory then return nil, outside end
  local sockets, unreadable = { kept and kept.socket }, nil
  if not kept then sockets, unreadable = sockets_in(directory) end
  if not sockets then return nil, unreadable end
  if #sockets == 0 then
    return refuse("SOCKET_NOT_VISIBLE", ("plugin '%s' has no socket in %s yet, or runsc does not show it (it needs "
      .. "--host-uds=create)"):format(name, directory))
  end
  local label = inspected.labels[LABEL.plugin]
  return { name = label or inspected.name, container = inspected.id, inspected = inspected,
    launcher = label and "gantry" or "other", directory = directory, sockets = sockets,
    network = kept and kept.network or "unix", address = kept and kept.address or sockets[1],
    protocol = kept and kept.protocol,
    protocol_version = kept and kept.protocol_version or offered_version(environment), pid = inspected.state.pid,
    reattach_data = kept }
end

---@param found gantry.Found
---@return table? tls
local function tls_options(found)
  local kept = found.reattach_data
  if not kept or not kept.certificate then return nil end
  return { certificate = kept.certificate.certificate, key = kept.certificate.key, peer = kept.peer,
    server_name = "localhost" }
end

---A config in place of the one that the launch had: gantry's defaults.
---@param found gantry.Found
---@return gantry.Config
function attach.config(found)
  local config = assert(validate { image = "attached" })
  config.name, config.image = found.name, found.inspected.image
  return config
end

---Tries the sockets until one answers as a healthy gRPC server.
---@param found gantry.Found
---@param on_closed fun(reason: gantry.Error)?
---@return gantry.Rpc? connection, gantry.Error? err of the likeliest
function attach.connect(found, on_closed)
  local first_error
  for _, socket in ipairs(found.sockets) do
    local options, err = listener.options { network = found.network, address = socket }
    local connection, healthy, unhealthy
    if options then
      options.tls, options.timeout, options.on_closed = tls_options(found), CONNECT_TIMEOUT, on_closed
      connection, err = rpc.connect(options)
    end
    if connection then healthy, unhealthy = connection:health(CONNECT_TIMEOUT) end
    if healthy then
      found.socket, found.protocol = socket, "grpc"
      return connection
    end
    if connection then connection:close() end
    first_error = first_error or unhealthy or err
  end
  return nil, first_error:wrap(("attach to plugin '%s' at %s"):format(found.name, found.sockets[1]))
end

---The socket directory of a plugin whose gantry is dead: nobody holds its lock.
---@param found gantry.Found
---@return table? directory locked
local function ownerless_directory(found)
  return found.launcher == "gantry" and (ownership.lock(found.directory)) or nil
end

---@param found gantry.Found
---@return boolean
local function has_owner(found)
  local directory = ownerless_directory(found)
  if directory then directory:close() end
  return directory == nil
end

---After the plugin's end: what its owner would remove, where there is none any more. Other launchers' containers are
---theirs.
---@param plugin gantry.Plugin
function attach.clean(plugin)
  local directory = ownerless_directory(plugin.borrowed)
  if not directory then return end
  local found, environment = plugin.borrowed, plugin.options.environment
  leftovers.take_away(plugin.engine, { id = plugin.container, name = found.inspected.name,
    labels = found.inspected.labels }, launches.by_id(plugin.container, environment), environment)
  reattach_data.forget(plugin.container, environment)
  socket_directory.remove(directory)
end

---Makes a plugin object of what was found: output and connection.
---@param plugin gantry.Plugin
---@param found gantry.Found
---@return boolean? ok, gantry.Error? err
function attach.run(plugin, found)
  plugin.borrowed, plugin.container, plugin.inspected = found, found.container, found.inspected
  plugin.reference, plugin.image = found.inspected.image, { id = found.inspected.image_id }
  plugin.protocol_version, plugin.ready_ms = found.protocol_version, 0
  plugin.address = { network = found.network, string = found.address }
  plugin:open_output()
  local ok, err = plugin:attach()
  if not ok then return nil, err end
  found.protocol = found.protocol or plugin.options.protocol
  if found.protocol == "netrpc" then
    local listens, refused = listener.dial { network = found.network, address = found.sockets[1] }
    if not listens then
      plugin.attached:cancel()
      return nil, refused:wrap(("attach to plugin '%s'"):format(found.name))
    end
  else
    plugin.connection, err = attach.connect(found, function(reason) plugin.connection_lost = reason end)
    if not plugin.connection then
      plugin.attached:cancel()
      return nil, err
    end
    -- The stream has one reader: its launcher, if that lives.
    if not has_owner(found) then
      plugin:follow_stdio()
    end
  end
  plugin.protocol = found.protocol
  plugin.handshake = { address = found.socket or found.sockets[1], network = found.network, protocol = found.protocol,
    protocol_version = found.protocol_version }
  return true
end

return attach

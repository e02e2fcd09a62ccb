-- SPDX-License-Identifier: Apache-2.0
--
--- handover/host_environment.lua: what of the environment the host meant for its plugin: go-plugin's handshake, the
--- magic cookie, and what it added for this plugin. The rest is the host's own and stays out.
---
--- go-plugin builds it in this order: what the host set on its command; the host's whole environment; the cookie, the
--- ports, the versions, and so on. The cookie's name is the host's secret, so it is found by its place; a shell between
--- host and plugin changes the order, and then by the difference to the host's own environment.

local errors = require "gantry.base.errors"
local machine = require "gantry.base.machine"
local variables = require "gantry.config.variables"

local host_environment = {}

local PORTS = { "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT", "PLUGIN_PROTOCOL_VERSIONS" }

host_environment.HANDSHAKE = {
  "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_MULTIPLEX_GRPC", "PLUGIN_CLIENT_CERT",
}

-- Others of go-plugin's, which are not passed on as they are; and what shells set for themselves.
local OWN = {
  PLUGIN_UNIX_SOCKET_GROUP = true, PLUGIN_UNIX_SOCKET_DIR = true, TMPDIR = true,
  _ = true, SHLVL = true, PWD = true, OLDPWD = true,
}
for _, name in ipairs(host_environment.HANDSHAKE) do OWN[name] = true end

---@class gantry.ProcessEnvironment
---@field order { name: string, value: string }[]
---@field values table<string, string>

---@param text string NUL-terminated entries
---@return gantry.ProcessEnvironment
function host_environment.parse(text)
  local found = { order = {}, values = {} }
  for entry in text:gmatch("([^\0]+)") do
    local name, value = entry:match("^([^=]+)=(.*)$")
    if name then
      found.order[#found.order + 1] = { name = name, value = value }
      found.values[name] = value
    end
  end
  return found
end

---@param path string
---@return string?
local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

---What processes are, as /proc tells; another table of the same functions serves for tests.
local proc = {}

---The environment that a process was started with; nil where it may not be seen.
---@param pid integer
---@return gantry.ProcessEnvironment?
function proc.environment(pid)
  local text = read_file(("/proc/%d/environ"):format(pid))
  if not text or text == "" then return nil end
  return host_environment.parse(text)
end

host_environment.of_process = proc.environment

proc.parent = machine.parent

---@param left gantry.ProcessEnvironment
---@param right gantry.ProcessEnvironment
---@return boolean whether both were started for the same plugin
local function same_launch(left, right)
  for _, name in ipairs(host_environment.HANDSHAKE) do
    if left.values[name] ~= right.values[name] then return false end
  end
  return true
end

---Climbs over what stands between host and plugin, such as a shell: to the process that the host itself started.
---@param pid integer
---@param processes table
---@return gantry.ProcessEnvironment started
---@return gantry.ProcessEnvironment? host nil where it may not be seen
local function climb(pid, own, processes)
  local started = own
  while true do
    local parent = processes.parent(pid)
    local above = parent and parent > 0 and processes.environment(parent) or nil
    if not above or not same_launch(above, started) then return started, above end
    pid, started = parent, above
  end
end

---@param started gantry.ProcessEnvironment
---@return integer? index where the cookie stands, if the order is go-plugin's
local function cookie_place(started)
  for i = #started.order - 2, 2, -1 do
    local in_order = true
    for offset, name in ipairs(PORTS) do
      in_order = in_order and started.order[i + offset - 1].name == name
    end
    if in_order then return i - 1 end
  end
end

-- ---- what the host set for this plugin ----
--
-- A host hands over, in this order, what it set on its command, its own environment, the cookie and go-plugin's own
-- variables; or it puts its own environment first (append(os.Environ(), ...) with SkipHostEnv), or leaves it out. Go
-- keeps the last of two entries of one name. So a host's own environment stands in one block, in the order in which the
-- host itself was started with it; what the host set for itself since then stands right behind.

---@param host gantry.ProcessEnvironment
---@return table<string, integer> rank of each name in the host's own environment
local function ranks_of(host)
  local ranks = {}
  for i, entry in ipairs(host.order) do ranks[entry.name] = ranks[entry.name] or i end
  return ranks
end

---Where the host's own environment stands: its names in their order, without a gap.
---@param started gantry.ProcessEnvironment
---@param ranks table<string, integer>
---@param cookie integer its place
---@return integer first, integer last none where last is lower
local function block_of(started, ranks, cookie)
  local first = 1
  while first < cookie and not ranks[started.order[first].name] do first = first + 1 end
  local last, rank = first - 1, 0
  while last + 1 < cookie do
    local next_rank = ranks[started.order[last + 1].name]
    if not next_rank or next_rank < rank then break end
    last, rank = last + 1, next_rank
  end
  return first, last
end

---@param started gantry.ProcessEnvironment
---@param host gantry.ProcessEnvironment
---@return boolean whether the host left its own environment out
local function leaves_own_out(started, host)
  local there = 0
  for _, entry in ipairs(host.order) do
    if started.values[entry.name] then there = there + 1 end
  end
  return there * 2 < #host.order
end

---@param started gantry.ProcessEnvironment
---@param host gantry.ProcessEnvironment
---@param cookie integer its place
---@return table<string, string>
local function added_in_order(started, host, cookie)
  local added, ranks = {}, ranks_of(host)
  local first, last = block_of(started, ranks, cookie)
  if leaves_own_out(started, host) then first, last = cookie, cookie - 1 end
  local function add(from, to)
    for place = from, to do
      local entry = started.order[place]
      if not OWN[entry.name] then added[entry.name] = entry.value end
    end
  end
  add(1, first - 1)
  -- Where the host set something before its own environment, what stands behind that it set for itself since its start;
  -- but a name that left its place in the block was set for the plugin, and so is what follows it.
  local behind = last + 1
  while next(added) and behind < cookie and not ranks[started.order[behind].name] do behind = behind + 1 end
  add(behind, cookie - 1)
  add(cookie + 1 + #PORTS, #started.order)
  return added
end

---What one has and the other has not, where a shell has lost the order.
---@return table<string, string>
local function difference(own, host)
  local added = {}
  for name, value in pairs(own.values) do
    if host.values[name] ~= value and not OWN[name] then added[name] = value end
  end
  return added
end

---What may be the plugin's, where nothing tells.
---@param started gantry.ProcessEnvironment
---@param cookie integer? its place
---@return table<string, string>
local function ambiguous(started, cookie)
  local left = {}
  for place, entry in ipairs(started.order) do
    if place ~= cookie and not OWN[entry.name] then left[entry.name] = entry.value end
  end
  return left
end

---The directory for sockets that the host chose for this plugin. One that it has in its own environment was set for
---all that it starts: a folder of many, which is left alone.
---@param started gantry.ProcessEnvironment
---@param host gantry.ProcessEnvironment?
---@param cookie integer? its place
---@return string?
local function chosen_directory(started, host, cookie)
  local directory = started.values.PLUGIN_UNIX_SOCKET_DIR
  if not directory or host and host.values.PLUGIN_UNIX_SOCKET_DIR == directory then return nil end
  -- Where the host may not be seen: go-plugin names the one that it chose behind the cookie.
  for place = 1, host and 0 or (cookie or 0) - 1 do
    if started.order[place].name == "PLUGIN_UNIX_SOCKET_DIR" then return nil end
  end
  return directory
end

---@return gantry.Error
local function unknown_cookie()
  return errors.new("COOKIE_UNKNOWN", "the host's magic cookie cannot be told from the rest of its environment: /proc "
    .. "of the host is not readable, and a shell stands between it and this plugin; name it in the policy, "
    .. "cookie = { \"NAME\", \"value\" }, or let the shell `exec` the plugin")
end

---@class gantry.HostEnvironment
---@field handshake table<string, string> go-plugin's own variables, of host_environment.HANDSHAKE
---@field added table<string, string> the cookie, where it was found, and what the host added for this plugin
---@field cookie string? the cookie's name, where its place told it
---@field ambiguous table<string, string> what may be the plugin's, and is left out
---@field no_cookie boolean? the program is asked something, and starts as no plugin
---@field socket_group string?
---@field socket_dir string? that the host chose for this plugin

---Where the program is asked something, and starts as no plugin.
---@return gantry.HostEnvironment
function host_environment.none()
  return { handshake = {}, added = {}, ambiguous = {}, no_cookie = true }
end

-- Its SDK is older than go-plugin. The cookie is the same for all, and Packer sets nothing else for a plugin.
local PACKER = { "PACKER_PLUGIN_MAGIC_COOKIE", "PACKER_PLUGIN_MIN_PORT", "PACKER_PLUGIN_MAX_PORT" }

---What Packer hands over.
---@param environment table<string, string> of the process that stands in for the plugin
---@return gantry.HostEnvironment
function host_environment.packer(environment)
  local found = { handshake = {}, added = {}, ambiguous = {}, no_cookie = true }
  for _, name in ipairs(PACKER) do found.handshake[name] = environment[name] end
  return found
end

---@param pid integer of the process that stands in for the plugin
---@param options { cookie_named: boolean?, processes: table? } whether the policy names the cookie
---@return gantry.HostEnvironment? found, gantry.Error? err
function host_environment.read(pid, options)
  local processes = options.processes or proc
  local own = processes.environment(pid)
  if not own then
    return nil, errors.new("PROC_UNREADABLE", "/proc is needed to see what the host hands over; mount it")
  end
  local found = { handshake = {}, added = {}, ambiguous = {}, socket_group = own.values.PLUGIN_UNIX_SOCKET_GROUP }
  for _, name in ipairs(host_environment.HANDSHAKE) do found.handshake[name] = own.values[name] end

  local started, host = climb(pid, own, processes)
  local place = cookie_place(started)
  if host and #host.order == 0 then host = nil end -- that tells nothing of what it set for itself since
  if not host then
    found.ambiguous = ambiguous(started, place)
  elseif place then
    found.added = added_in_order(started, host, place)
  else
    found.added = difference(own, host)
  end
  found.socket_dir = chosen_directory(started, host, place)
  if place then
    local cookie = started.order[place]
    found.cookie, found.added[cookie.name] = cookie.name, cookie.value
  elseif not host and not options.cookie_named then
    return nil, unknown_cookie()
  end
  return found
end

-- Bytes of names in one line of a log.
local MOST_NAMES <const> = 1000

---What a log says of variables that were left out.
---@param found gantry.HostEnvironment
---@param config gantry.Config
---@return string? text nil where the policy names them all
function host_environment.left_out(found, config)
  local passed, names = variables.select(config.pass_env, found.ambiguous), {}
  for _, entry in ipairs(config.env or {}) do passed[entry:match("^[^=]*")] = "" end
  for _, name in ipairs(variables.names(found.ambiguous)) do
    if not passed[name] then names[#names + 1] = name end
  end
  if #names == 0 then return nil end
  local list = table.concat(names, " ")
  if #list > MOST_NAMES then list = list:sub(1, MOST_NAMES):match("^(.*) ") .. " …" end
  return ("the host's own environment cannot be seen, so what it set for its plugin cannot be told from the rest; left "
    .. "out: %s; what the plugin needs of these, name in pass_env (patterns such as VAULT_* are allowed)"):format(list)
end

---The environment of a plugin that another host launches.
---@param config gantry.Config
---@param found gantry.HostEnvironment
---@param facts { directory: string, temporary: string?, group: integer, caller: table<string, string>,
--- shared_group: boolean }
---@return string[] entries NAME=value, sorted
function host_environment.build(config, found, facts)
  local values = {}
  for name, value in pairs(found.added) do values[name] = value end
  values.TMPDIR = facts.temporary
  for name, value in pairs(facts.files or {}) do values[name] = value end
  for name, value in pairs(variables.select(config.pass_env, facts.caller)) do values[name] = value end
  for _, entry in ipairs(config.env or {}) do
    local name, value = entry:match("^([^=]*)=(.*)$")
    values[name] = value
  end
  -- The host's cookie tells it what its plugin is: only where it was not found does the policy's count.
  local cookie = config.cookie
  if cookie and not found.cookie and not found.no_cookie then
    values[cookie.key] = facts.caller[cookie.key] or cookie.value
  end
  for name, value in pairs(found.handshake) do values[name] = value end
  values[variables.CREDENTIALS] = facts.credentials or values[variables.CREDENTIALS]
  if facts.shared_group then values.PLUGIN_UNIX_SOCKET_GROUP = tostring(facts.group) end
  values.PLUGIN_UNIX_SOCKET_DIR = facts.directory

  local entries = {}
  for name, value in pairs(values) do entries[#entries + 1] = name .. "=" .. value end
  table.sort(entries)
  return entries
end

return host_environment

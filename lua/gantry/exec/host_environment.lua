-- SPDX-License-Identifier: Apache-2.0
--
--- exec/host_environment.lua: what of the environment the host meant for its plugin: go-plugin's handshake, the magic
--- cookie, and what it added for this plugin. The rest is the host's own and stays out.
---
--- go-plugin builds it in this order: what the host set on its command; the host's whole environment; the cookie, the
--- ports, the versions, and so on. The cookie's name is the host's secret, so it is found by its place; a shell between
--- host and plugin changes the order, and then by the difference to the host's own environment.

local errors = require "gantry.errors"

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

---@param pid integer
---@return integer?
function proc.parent(pid)
  local text = read_file(("/proc/%d/stat"):format(pid))
  local parent = text and text:match("^.*%) %a (%d+)")
  return parent and math.tointeger(parent)
end

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

---@param started gantry.ProcessEnvironment
---@param host gantry.ProcessEnvironment
---@return boolean whether the host kept its own environment to itself (go-plugin's SkipHostEnv)
local function host_kept_its_own(started, host)
  local there = 0
  for _, entry in ipairs(host.order) do
    if started.values[entry.name] == entry.value then there = there + 1 end
  end
  return there * 2 < #host.order
end

---What the host set on its command: it stands before the host's own environment.
---@return table<string, string>
local function added_in_order(started, host, cookie)
  local added = {}
  for i = 1, cookie - 1 do
    local entry = started.order[i]
    if host.values[entry.name] == entry.value then break end
    if not OWN[entry.name] then added[entry.name] = entry.value end
  end
  return added
end

---What one has and the other has not.
---@return table<string, string>
local function difference(own, host)
  local added = {}
  for name, value in pairs(own.values) do
    if host.values[name] ~= value and not OWN[name] then added[name] = value end
  end
  return added
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
---@field socket_group string?
---@field socket_dir string?

---@param pid integer of the process that stands in for the plugin
---@param options { cookie_named: boolean?, processes: table? } whether the policy names the cookie
---@return gantry.HostEnvironment? found, gantry.Error? err
function host_environment.read(pid, options)
  local processes = options.processes or proc
  local own = processes.environment(pid)
  if not own then
    return nil, errors.new("PROC_UNREADABLE", "/proc is needed to see what the host hands over; mount it")
  end
  local found = { handshake = {}, added = {}, socket_group = own.values.PLUGIN_UNIX_SOCKET_GROUP,
    socket_dir = own.values.PLUGIN_UNIX_SOCKET_DIR }
  for _, name in ipairs(host_environment.HANDSHAKE) do found.handshake[name] = own.values[name] end

  local started, host = climb(pid, own, processes)
  local place = cookie_place(started)
  if host and place and not host_kept_its_own(started, host) then
    found.added = added_in_order(started, host, place)
  elseif host then
    found.added = difference(own, host)
  end
  if place then
    local cookie = started.order[place]
    found.cookie, found.added[cookie.name] = cookie.name, cookie.value
  elseif not host and not options.cookie_named then
    return nil, unknown_cookie()
  end
  return found
end

---The environment of a plugin that another host launches.
---@param config gantry.Config
---@param found gantry.HostEnvironment
---@param facts { directory: string, group: integer, caller: table<string, string>, shared_group: boolean }
---@return string[] entries NAME=value, sorted
function host_environment.build(config, found, facts)
  local values = {}
  for name, value in pairs(found.added) do values[name] = value end
  for _, name in ipairs(config.pass_env or {}) do values[name] = facts.caller[name] end
  values.TMPDIR = facts.directory -- go-plugin before 1.5 knows only this, and an image from scratch has no /tmp
  for _, entry in ipairs(config.env or {}) do
    local name, value = entry:match("^([^=]*)=(.*)$")
    values[name] = value
  end
  if config.cookie then
    if found.cookie then values[found.cookie] = nil end
    values[config.cookie.key] = config.cookie.value
  end
  for name, value in pairs(found.handshake) do values[name] = value end
  if facts.shared_group then values.PLUGIN_UNIX_SOCKET_GROUP = tostring(facts.group) end
  values.PLUGIN_UNIX_SOCKET_DIR = facts.directory

  local entries = {}
  for name, value in pairs(values) do entries[#entries + 1] = name .. "=" .. value end
  table.sort(entries)
  return entries
end

return host_environment

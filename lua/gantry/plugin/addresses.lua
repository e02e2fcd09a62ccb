-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/addresses.lua: what an address on one side of a container means on the other, by the container's own mounts.
--- gantry mounts its socket directories at the same path on both sides; other launchers do not.

local errors = require "gantry.base.errors"
local system = require("gantry.core").system

local addresses = {}

---@param path string
---@param folder string
---@return string? rest nil where the path is not the folder or below it
local function below(path, folder)
  if folder == "/" then return path end
  if path == folder then return "" end
  if path:sub(1, #folder + 1) == folder .. "/" then return path:sub(#folder + 1) end
end

---Without "." and "//", and without ".." as far as the text alone tells.
---@param path string absolute
---@return string
local function clean(path)
  local parts = {}
  for part in path:gmatch("[^/]+") do
    if part == ".." then parts[#parts] = nil elseif part ~= "." then parts[#parts + 1] = part end
  end
  return "/" .. table.concat(parts, "/")
end

---The mounts of a container, each { inside, host }; host is nil for memory.
---@param inspected gantry.Container
---@return { inside: string, host: string? }[]
local function mounts_of(inspected)
  local list = {}
  for _, mount in ipairs(inspected.mounts) do
    local host = mount.kind ~= "tmpfs" and mount.source and clean(mount.source) or nil
    list[#list + 1] = { inside = clean(mount.target), host = host }
  end
  for path in pairs(inspected.tmpfs) do
    list[#list + 1] = { inside = clean(path) }
  end
  return list
end

---The deepest mount that a path lies in.
---@param mounts table[]
---@param side "inside"|"host"
---@param path string
---@return table? mount, string? rest
local function deepest(mounts, side, path)
  local best, best_rest
  for _, mount in ipairs(mounts) do
    local rest = mount[side] and below(path, mount[side])
    if rest and (not best or #mount[side] > #best[side]) then best, best_rest = mount, rest end
  end
  return best, best_rest
end

---@param mounts table[]
---@return string
local function list_of(mounts)
  local shared = {}
  for _, mount in ipairs(mounts) do
    if mount.host then shared[#shared + 1] = mount.inside end
  end
  table.sort(shared)
  return #shared > 0 and table.concat(shared, ", ") or "nothing"
end

---@param text string
---@return nil, gantry.Error
local function refuse(text)
  return nil, errors.new("ADDRESS_NOT_SHARED", text)
end

---@return string? path, gantry.Error?
local function path_to_host(mounts, path)
  local mount, rest = deepest(mounts, "inside", path)
  if not mount then
    return refuse(("%s is the container's own: of its file system, the host shares %s"):format(path, list_of(mounts)))
  end
  if not mount.host then
    return refuse(("%s is in %s, which is memory of the container's"):format(path, mount.inside))
  end
  return mount.host .. rest
end

---@return string? path, gantry.Error?
local function path_to_plugin(mounts, path)
  path = system.real_path(path) or path
  local mount, rest = deepest(mounts, "host", path)
  if not mount then
    return refuse(("%s is not shared with the container: it sees %s of the host"):format(path, list_of(mounts)))
  end
  local inside = mount.inside .. rest
  -- Another mount may lie over this place.
  if path_to_host(mounts, inside) ~= path then
    return refuse(("%s would be %s in the container, but another mount hides it there"):format(path, inside))
  end
  return inside
end

---A network address: the container's own, unless it shares the host's network.
local function network_address(inspected, address)
  if inspected.network == "host" then return address end
  return refuse(("%s %s: container and host have different networks; only Unix sockets in shared folders are the same")
    :format(address.network, address.string))
end

---@param inspected table
---@param address string|{ network: string, string: string } a path, unix:PATH, or as go-plugin has it
---@param translate fun(mounts: table[], path: string): string?, gantry.Error?
---@return string|table|nil translated in the form that was given, gantry.Error?
local function translate_address(inspected, address, translate)
  if type(address) == "table" then
    if address.network ~= "unix" then return network_address(inspected, address) end
    local path, err = translate_address(inspected, address.string, translate)
    return path and { network = "unix", string = path }, err
  end
  local scheme, path = address:match("^(unix:/?/?)(/.*)$")
  if not scheme then scheme, path = "", address end
  if path:sub(1, 1) ~= "/" then
    return refuse(("'%s' is not an absolute path, nor unix:/path"):format(path))
  end
  local found, err = translate(mounts_of(inspected), clean(path))
  return found and scheme .. found, err
end

---An address that the plugin uses, as the host reaches it.
---@param inspected gantry.Container
---@param address string|{ network: string, string: string }
---@return string|table|nil address in the same form, gantry.Error? err ADDRESS_NOT_SHARED
function addresses.to_host(inspected, address)
  return translate_address(inspected, address, path_to_host)
end

---An address of the host's, as the plugin reaches it.
---@param inspected gantry.Container
---@param address string|{ network: string, string: string }
---@return string|table|nil address in the same form, gantry.Error? err ADDRESS_NOT_SHARED
function addresses.to_plugin(inspected, address)
  return translate_address(inspected, address, path_to_plugin)
end

return addresses

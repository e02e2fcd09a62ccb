-- SPDX-License-Identifier: Apache-2.0
--
--- pod: policies as sidecars in a Kubernetes pod, beside a host that starts them with `gantry exec`.

local errors = require "gantry.base.errors"
local fields = require "gantry.pod.fields"
local image = require "gantry.pod.image"
local manifest = require "gantry.pod.manifest"
local places = require "gantry.pod.places"
local policies = require "gantry.policy"
local schema = require "gantry.config.schema"
local sidecar = require "gantry.pod.sidecar"
local site = require "gantry.policy.site"

local pod = {}

-- A socket's path has at most 107 bytes; while the gate makes it, it has the gate's process behind it.
local LONGEST_SOCKET <const> = 107 - 8
local SHEBANG <const> = "#!/usr/bin/env -S gantry exec\n"

---@class gantry.PodPolicy
---@field policy gantry.Policy
---@field seen table<string, gantry.SeenFile> what it was read from, by path

---@param one gantry.Sidecar
---@param taken table<string, string> labels in use
local function check_name(one, taken)
  if one.label == "" or one.label == "gantry" or taken[one.label] then
    one:refuse("name", ("container %q is %s already; a name for Kubernetes keeps letters, digits and '-'"):format(
      one.label, taken[one.label] or "gantry's own"))
  elseif #places.socket(one.name) > LONGEST_SOCKET then
    one:refuse("name", "it is too long for the path of a socket")
  end
  taken[one.label] = "that of plugin '" .. one.name .. "'"
end

---@param sidecars gantry.Sidecar[]
local function check_runtimes(sidecars)
  local first
  for _, one in ipairs(sidecars) do
    first = first or one
    if one.pod.runtimeClassName ~= first.pod.runtimeClassName then
      one:refuse("runtime", ("a pod has one runtime class for all, and plugin '%s' has %s"):format(first.name,
        first.pod.runtimeClassName or "none"))
    end
  end
end

---What a policy was read from, as files of one folder; what comes with gantry is in the host's image with it.
---@param one gantry.Sidecar
---@param seen table<string, gantry.SeenFile>
---@param files table<string, string> gets them
local function collect(one, seen, files)
  local path, shipped = one.policy.path, policies.shipped_folder()
  local folder = path:match "^(.*/)[^/]*$" or ""
  for file, read in pairs(seen) do
    local name = file == path and one.name or file:match "[^/]*$"
    local is_own = file == path or file:match "^(.*/)[^/]*$" == folder
    local is_shipped = shipped and file:sub(1, #shipped + 1) == shipped .. "/"
    if read.text and is_own then
      local is_program = file ~= path or read.text:sub(1, 2) == "#!"
      files[name] = is_program and read.text or SHEBANG .. read.text
    elseif read.text and not is_shipped and not site.is_no_policy(file) then
      one:warn("policy", ("it reads %s, which is in none of the manifest's volumes; put it into the host's image")
        :format(file))
    end
  end
end

---@param names string[]
---@return table<string, true>? set, gantry.Error? err
local function set_of(names)
  local set = {}
  for _, name in ipairs(names) do
    if not schema.by_name[name] then
      return nil, errors.new("USAGE", ("--without names a field of policies, and there is no '%s'"):format(name))
    end
    set[name] = true
  end
  return set
end

---@param given gantry.PodPolicy
---@param without table<string, true>
---@param connect fun(): gantry.EngineClient?, gantry.Error?
---@return gantry.Sidecar? one, gantry.Error? err
local function sidecar_of(given, without, connect)
  local one = sidecar.new(given.policy, without)
  local ok, err = image.settle(one, connect)
  if not ok then return nil, err end
  fields.apply(one)
  for _, change in ipairs(given.policy.site or {}) do
    one:warn(change.field, "the site policy changed it: the host's container needs that policy as well, where "
      .. "`gantry exec` reads it")
  end
  return one
end

---@param list gantry.PodPolicy[]
---@param options gantry.PodOptions
---@param without string[] fields that are left out, knowingly
---@param connect fun(): gantry.EngineClient?, gantry.Error? asked where only an engine knows
---@return table[]? documents
---@return gantry.Error[]|string[] refusals_or_warnings
function pod.export(list, options, without, connect)
  local set, unknown = set_of(without)
  if not set then return nil, { unknown } end
  local sidecars, refused, warnings, taken = {}, {}, {}, { [options.container] = "the host's" }
  for i, given in ipairs(list) do
    local one, err = sidecar_of(given, set, connect)
    if not one then return nil, { err } end
    check_name(one, taken)
    sidecars[i] = one
  end
  check_runtimes(sidecars)
  options.policies = {}
  for i, one in ipairs(sidecars) do
    if options.plugins then collect(one, list[i].seen, options.policies) end
    table.move(one.refused, 1, #one.refused, #refused + 1, refused)
    table.move(one.warnings, 1, #one.warnings, #warnings + 1, warnings)
  end
  if #refused > 0 then return nil, refused end
  return manifest.of(options, sidecars), warnings
end

return pod

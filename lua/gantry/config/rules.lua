-- SPDX-License-Identifier: Apache-2.0
--
--- config/rules.lua: what must hold between the fields of a config. A rule gets the fields as they were read (one that
--- was wrong is nil), and reports what it finds.

local container_paths = require "gantry.config.container_paths"
local image = require "gantry.base.image"
local types = require "gantry.base.types"
local variables = require "gantry.config.variables"

---@param config table
---@param report gantry.Report
local function one_cpu_limit(config, report)
  if config.cpus and config.nano_cpus then
    report("nano_cpus", "cpus and nano_cpus limit the same; leave one of them out")
  end
end

-- What is said of an image and means nothing for a binary.
local OF_IMAGES <const> = { image = "it is what runs instead of one", tag = "a file has none",
  entrypoint = "it is the program itself, and args its arguments" }

---@param fields table as they were given: one that is wrong was told of already
local function image_or_binary(config, report, fields)
  if fields.binary == nil and fields.image == nil then return report("image", "image is missing", "missing") end
  if config.libraries and fields.binary == nil then
    report("libraries", "libraries are those of a binary, and there is none; leave them out, or name a binary")
  end
  if fields.binary == nil then return end
  for name, reason in pairs(OF_IMAGES) do
    if fields[name] ~= nil then
      report(name, ("%s and binary exclude each other: %s; leave one of them out"):format(name, reason))
    end
  end
  if config.pull ~= nil and config.pull ~= "never" then
    report("pull", ("pull = \"%s\" and binary exclude each other: a file is in no registry; leave one of them out")
      :format(config.pull))
  end
end

local function one_tag(config, report)
  local parts = config.tag and config.image and image.parse(config.image)
  if not parts then return end
  local other = parts.tag and "the tag '" .. parts.tag .. "' already" or parts.digest and "a digest"
    or parts.id and "no name"
  if other then
    report("tag", ("tag '%s' beside an image that has %s; leave the tag out"):format(config.tag, other))
  end
end

local function no_network_means_none(config, report)
  if not config.disable_network then return end
  for _, name in ipairs { "networks", "endpoints_config" } do
    if config[name] and next(config[name]) then
      report(name, ("%s and disable_network = true exclude each other; leave one of them out"):format(name))
    end
  end
end

---A variable has one source: engines differ in which of two they take.
local function variables_once(config, report)
  local source_of = {}
  for _, entry in ipairs(config.env or {}) do source_of[entry:match("^[^=]*")] = "env" end
  for i, name in ipairs(config.pass_env or {}) do
    if source_of[name] then
      report(types.child("pass_env", i), ("pass_env: '%s' is in env as well; leave one of them out"):format(name))
    end
    source_of[name] = source_of[name] or "pass_env"
  end
  local ours = next(config.credentials or {}) and variables.CREDENTIALS
  if ours and source_of[ours] then
    report("credentials", ("credentials: '%s' is in %s as well; leave it out there"):format(ours, source_of[ours]))
  end
  local cookie = config.cookie and config.cookie.key
  if cookie and source_of[cookie] then
    report("cookie", ("cookie: '%s' is in %s as well; leave it out there"):format(cookie, source_of[cookie]))
  end
end

local function targets_once(config, report)
  local taken, clean = {}, container_paths.clean
  for path in pairs(config.tmpfs or {}) do taken[clean(path)] = "tmpfs" end
  for i, mount in ipairs(config.mounts or {}) do
    local target = mount.target and clean(mount.target)
    if target and taken[target] then
      local at = types.child("mounts", i)
      report(at, ("%s: '%s' is taken already, by %s"):format(at, target, taken[target]))
    end
    if target then taken[target] = types.child("mounts", i) end
  end
end

local function soft_below_hard(config, report)
  for i, limit in ipairs(config.ulimits or {}) do
    local soft, hard = limit.soft, limit.hard
    if soft and hard and hard ~= -1 and (soft > hard or soft == -1) then
      report(types.child("ulimits", i), ("ulimits[%d]: soft is above hard"):format(i))
    end
  end
end

local function limits_once(config, report)
  local seen = {}
  for i, limit in ipairs(config.ulimits or {}) do
    if limit.name and seen[limit.name] then
      report(types.child("ulimits", i), ("ulimits[%d]: '%s' is there twice"):format(i, limit.name))
    end
    seen[limit.name or false] = true
  end
end

local function not_after_itself(config, report)
  for i, name in ipairs(config.after or {}) do
    if name == config.name then
      report(types.child("after", i), ("after: '%s' is this plugin itself, and would wait for ever"):format(name))
    end
  end
end

local function swap_above_memory(config, report)
  local swap, memory = config.memory_swap, config.memory
  if swap and not memory then
    report("memory_swap", "memory_swap limits memory and swap together, and needs memory; set memory as well")
  elseif swap and swap ~= -1 and swap < memory then
    report("memory_swap", "memory_swap is memory and swap together, and must be at least memory")
  end
end

local function one_profile(config, report)
  for _, name in ipairs { "seccomp", "apparmor" } do
    for i, option in ipairs(config[name] and config.security_opt or {}) do
      if option:find("^" .. name .. "[=:]") then
        report(types.child("security_opt", i), ("security_opt[%d]: %s is set as well; leave one of them out"):format(i,
          name))
      end
    end
  end
end

---@param name string
---@return boolean whether who is in this network is in no other
local function is_apart(name)
  return name == "host" or name == "none" or name:find "^container:" ~= nil
end

---What engines do not let go together with some networks.
local function networks_fit(config, report)
  local names, apart = {}, nil
  for _, name in ipairs(config.networks or {}) do names[name] = true end
  for name in pairs(config.endpoints_config or {}) do names[name] = true end
  for name in pairs(names) do
    if is_apart(name) and (not apart or name < apart) then apart = name end
  end
  if not apart then return end
  if next(names, (next(names))) then
    report(config.networks and "networks" or "endpoints_config", ("networks: who is in '%s' can be in no other "
      .. "network; leave the others out"):format(apart))
  end
  for _, field in ipairs(apart:find "^container:" and { "hostname", "dns", "extra_hosts" } or {}) do
    if config[field] then
      report(field, ("%s is that of the other container, with network '%s'; leave it out"):format(field, apart))
    end
  end
end

-- Networks that every engine has: in them containers have no names, and no addresses of their own choice.
local PREDEFINED <const> = { bridge = true, default = true, host = true, none = true, podman = true }

local function names_in_own_networks(config, report)
  for network, settings in pairs(config.endpoints_config or {}) do
    for _, field in ipairs(PREDEFINED[network] and { "Aliases", "IPAMConfig" } or {}) do
      if settings[field] then
        local at = types.child(types.child("endpoints_config", network), field)
        report(at, ("%s: engines give names and addresses only in networks that somebody made (docker network "
          .. "create), and '%s' is the engine's own"):format(at, network))
      end
    end
  end
end

---@type (fun(config: table, report: gantry.Report, fields: table))[]
return { image_or_binary, one_cpu_limit, one_tag, no_network_means_none, variables_once, targets_once, soft_below_hard,
  limits_once, swap_above_memory, one_profile, not_after_itself, networks_fit, names_in_own_networks }

-- SPDX-License-Identifier: Apache-2.0
--
--- text/first_policy.lua: a policy to begin from: what is known of the host that starts the plugin, as fields with a
--- comment each.

local words = require "gantry.base.words"

local first_policy = {}

-- Of the plugin alone, where no host is known.
local ALONE <const> = [[
  -- cookie = { "NAME_PLUGIN", "value" }, -- the variable by which the plugin sees a host; its source has both
  -- disable_network = false, -- where it talks to others than its host
  -- pass_env = { "HTTPS_PROXY" }, -- what it reads of gantry's own environment
  -- memory = "512MiB", -- where the baseline's are too few
]]

local PROVIDER <const> = [[
  cwd = "rw", -- the configuration's directory, at its own path; leave it out for a provider that has no files
  disable_network = false, -- for its API; true for one that has none
  -- pass_env = { "AWS_*" }, -- what it reads of the environment, its credentials among it
  -- memory = "512MiB", -- where the baseline's are too few
]]

local VAULT <const> = [[
  -- version = "v0.16.0", -- as it is registered; the image's tag is this without the v
  -- mlock = true, -- where it locks its memory
  -- runtime = "runc", -- where the engine has no gVisor (runsc)
  -- memory = "256MiB", -- without it there is no limit
]]

---@class gantry.KnownHost
---@field name string as `--for` takes it
---@field title string as people call it
---@field base "baseline"|"vault"|"packer" the shipped policy to build on
---@field fields string lines of the table
---@field types string[]? kinds of its plugins, of which the policy names one

---@type gantry.KnownHost[]
local HOSTS = {
  { name = "vault", title = "Vault", base = "vault", fields = VAULT, types = { "auth", "secret", "database" } },
  { name = "openbao", title = "OpenBao", base = "vault", fields = VAULT, types = { "auth", "secret", "database" } },
  { name = "opentofu", title = "OpenTofu", base = "baseline", fields = PROVIDER },
  { name = "terraform", title = "Terraform", base = "baseline", fields = PROVIDER },
  { name = "packer", title = "Packer", base = "packer", fields = [[
  -- networks = { "host" }, -- where a machine fetches from the builder (http_directory)
  -- pass_env = { "PACKER_RUN_UUID", "PACKER_CACHE_DIR", "AWS_*" }, -- of its environment, its credentials among it
]] },
  { name = "tflint", title = "TFLint", base = "baseline", fields = [[
  share_tmp = true, -- a ruleset asks TFLint for everything: start it by `gantry host -- tflint`
]] },
  { name = "nomad", title = "Nomad", base = "baseline", fields = [[
  share_tmp = true, -- a driver calls Nomad: start that with a TMPDIR of its own
  -- mounts = { { source = "/opt/nomad/data", target = "/opt/nomad/data" } }, -- allocations, of which it is told paths
  disable_network = false, -- for what the driver talks to; true where there is nothing
]] },
  { name = "grafana", title = "Grafana", base = "baseline", fields = [[
  disable_network = false, -- for the data source; true where the plugin has none
  -- mounts = { { source = "/etc/ssl/certs", target = "/etc/ssl/certs", read_only = true } }, -- for TLS
]] },
}

---@return string[] names of hosts that are known
function first_policy.hosts()
  local names = {}
  for i, host in ipairs(HOSTS) do names[i] = host.name end
  return names
end

---@param name string
---@return gantry.KnownHost?
function first_policy.host(name)
  for _, host in ipairs(HOSTS) do
    if host.name == name then return host end
  end
end

---Whether a policy in this file would be found by whoever builds on the shipped one of that name.
---@param file string
---@return boolean
function first_policy.hides_base(file)
  for _, host in ipairs(HOSTS) do
    if file == host.base .. ".lua" then return true end
  end
  return false
end

---The kind of a plugin by what its name says, as HashiCorp's own are named: vault-plugin-auth-jwt.
---@param host gantry.KnownHost?
---@param name string
---@return string? type nil where the host's plugins are of one kind
function first_policy.type_of(host, name)
  if not host or not host.types then return nil end
  for _, kind in ipairs(host.types) do
    if name:find(kind, 1, true) then return kind end
  end
  return "secret"
end

---@class gantry.FirstPolicyFacts
---@field file string the policy's file name
---@field name string the plugin's
---@field image string? its image, or
---@field binary string? the path of its binary, as the policy sees it
---@field libraries boolean? whether the binary needs this machine's loader and libraries
---@field sha256 string? what it is pinned to
---@field host gantry.KnownHost?
---@field type string? of its host's kinds

---@param facts gantry.FirstPolicyFacts
---@return string lines
local function what_runs(facts)
  local what = facts.image and "image" or "binary"
  local lines = { ("  %s = %q,"):format(what, facts[what]) }
  if facts.sha256 then
    lines[2] = ("  sha256 = %q, -- this one and no other"):format(facts.sha256)
  else
    lines[2] = '  -- sha256 = "", -- pins it: docker images --no-trunc --format \'{{.ID}}\' IMAGE'
  end
  if facts.libraries then lines[3] = "  libraries = true, -- the loader and libraries of this machine that it names" end
  return table.concat(lines, "\n") .. "\n"
end

---@param facts gantry.FirstPolicyFacts
---@return string
local function of_vault(facts)
  local kinds = {}
  for _, kind in ipairs(facts.host.types) do
    if kind ~= facts.type then kinds[#kinds + 1] = ("%q"):format(kind) end
  end
  return ([[
return require "vault" { -- as Vault does it: pinned, in gVisor, without network, with AutoMTLS
  type = %q, -- or %s
  name = %q, -- as it is registered
]]):format(facts.type, words.either(kinds), facts.name) .. what_runs(facts) .. facts.host.fields .. "}\n"
end

local BASES = {
  baseline = 'local baseline = require "baseline" -- no network, nothing writable, 256 MiB: `gantry plan` shows it all',
  packer = 'local packer = require "packer" -- the network, the current directory, 1 GiB: `gantry plan` shows it all',
}

---@param facts gantry.FirstPolicyFacts
---@return string
local function of_others(facts)
  local base = facts.host and facts.host.base or "baseline"
  return ('local gantry = require %q\n%s\n\nreturn gantry.extend(%s, {\n'):format("gantry", BASES[base], base)
    .. what_runs(facts) .. (facts.host and facts.host.fields or ALONE) .. "})\n"
end

---A policy's text.
---@param facts gantry.FirstPolicyFacts
---@return string
function first_policy.text(facts)
  local host = facts.host
  local head = ("-- %s: how gantry runs the plugin %s. Try it: gantry plan %s, then gantry run %s\n\n"):format(
    facts.file, facts.name, facts.file, facts.file)
  if host then
    head = ("#!/usr/bin/env -S gantry exec\n-- %s: the plugin %s of %s, in a container. This file stands where %s looks"
      .. " for the\n-- plugin's binary, and is executable (`gantry help exec`).\n\n"):format(facts.file, facts.name,
      host.title, host.title)
  end
  return head .. (host and host.base == "vault" and of_vault(facts) or of_others(facts))
end

return first_policy

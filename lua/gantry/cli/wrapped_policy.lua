-- SPDX-License-Identifier: Apache-2.0
--
--- cli/wrapped_policy.lua: the policy that `gantry wrap` writes: complete, short, and to be edited.

local config = require "gantry.config"
local core = require "gantry.core"

local wrapped_policy = {}

local CERTIFICATES <const> = "/etc/ssl/certs"
local LONGEST_NAME <const> = 64
local PROXIES <const> = '"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"'

---@return string first line: by PATH where that leads to this gantry, as it does for most hosts
local function first_line()
  local own = core.system.real_path "/proc/self/exe"
  for folder in (core.system.environment().PATH or ""):gmatch "[^:]+" do
    local found = core.system.real_path(folder .. "/gantry")
    if found == own then return "#!/usr/bin/env -S gantry exec" end
    if found then break end
  end
  return ("#!%s exec"):format(own)
end

---@param name string the file's
---@return string? line where that can be no plugin's name
local function name_line(name)
  if config.validate { image = "any", name = name } then return nil end
  local usable = name:gsub("[^%w._-]", "-"):gsub("^%.+", ""):sub(1, LONGEST_NAME)
  return ("  name = %q,"):format(usable)
end

---@class gantry.WrapFacts
---@field name string the file's
---@field kept string name of the binary beside it
---@field sha256 string of the binary
---@field dynamic boolean
---@field lines string[] what its host needs, as lines of a policy
---@field pass_env string[] and of variables, quoted

---@param facts gantry.WrapFacts
---@return string text
function wrapped_policy.text(facts)
  local lines = { first_line(), ("-- %s in a container; `gantry unwrap` puts its binary back."):format(
    (facts.name:gsub("%c", "?"))), "return {", ("  binary = %q,"):format(facts.kept),
    ('  sha256 = "%s",'):format(facts.sha256) }
  lines[#lines + 1] = name_line(facts.name)
  if facts.dynamic then lines[#lines + 1] = "  libraries = true, -- this machine's, since the binary is dynamic" end
  table.move(facts.lines, 1, #facts.lines, #lines + 1, lines)
  if core.system.stat(CERTIFICATES) then
    lines[#lines + 1] = ('  mounts = { { source = "%s", target = "%s", read_only = true } },'):format(CERTIFICATES,
      CERTIFICATES)
  end
  local passed = { PROXIES, table.unpack(facts.pass_env) }
  for _, line in ipairs { "  -- What it sees of its host's environment: name its credentials too, such as \"AWS_*\".",
    ("  pass_env = { %s },"):format(table.concat(passed, ", ")),
    "  -- disable_network = true, -- for a plugin that talks to nobody but its host", '  -- memory = "256MiB",', "}",
    "" } do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n")
end

---Whether a file is a policy that is executed as a plugin.
---@param head string how it begins
---@return boolean
function wrapped_policy.is_policy(head)
  local line = head:match "^#!([^\n]*)" or ""
  return line:find "%f[%w]gantry%f[%W].*%sexec%f[%W]" ~= nil
end

return wrapped_policy

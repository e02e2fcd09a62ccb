-- SPDX-License-Identifier: Apache-2.0
--
--- base/c_module.lua: the C modules that stand beside gantry.core because each needs a library of its own, which the
--- dynamic linker loads with it. What a program never asks for it never loads, and need not have.

local errors = require "gantry.base.errors"
local units = require "gantry.base.units"

local c_module = {}

-- More than all libraries take together. The dynamic linker tells a want of memory from a missing file by its text
-- alone.
local ENOUGH <const> = 64 * 1024 * 1024
-- Limits of memory that a process may have of its own, and what of it is in use.
local LIMITS <const> = { { "Max address space", "VmSize", "ulimit -v, LimitAS=" },
  { "Max data size", "VmData", "ulimit -d, LimitDATA=" } }

-- Debian's packages of the libraries that they are linked against.
local PACKAGES <const> = {
  certificate = "libssl3",
  control = "libmicrohttpd12",
  digest = "libssl3",
  grpc = "libnghttp2-14 and libssl3",
  http = "libcurl4",
  line_editor = "libreadline8",
  screen = "libncursesw6",
}

---@param path string
---@return string
local function content_of(path)
  local file <close> = io.open(path, "r")
  return file and file:read "a" or ""
end

---The limit of this process that leaves no room for a library.
---@return string? limit with its size and how it is set
local function tight_limit()
  local limits, status = content_of "/proc/self/limits", content_of "/proc/self/status"
  for _, one in ipairs(LIMITS) do
    local limit = tonumber(limits:match(one[1] .. "%s+(%d+)"))
    local used = tonumber(status:match(one[2] .. ":%s*(%d+)")) or 0
    if limit and limit - used * 1024 < ENOUGH then return ("%s (%s)"):format(units.format_bytes(limit), one[3]) end
  end
end

---Loads gantry.core.NAME where it is not loaded yet.
---@param name "certificate"|"control"|"digest"|"grpc"|"http"|"line_editor"|"screen"
---@return table? module
---@return gantry.Error? err LIBRARY_MISSING: the module, or a library that it needs, is not there; OUT_OF_MEMORY
function c_module.load(name)
  local loaded, module = pcall(require, "gantry.core." .. name)
  if loaded then return module end
  local reason = tostring(module):gsub("%s+", " ")
  local limit = tight_limit()
  if limit then
    return nil, errors.new("OUT_OF_MEMORY", ("load gantry.core.%s: %s; this process may have no more memory than %s: "
      .. "raise that limit"):format(name, reason, limit))
  end
  return nil, errors.new("LIBRARY_MISSING", ("load gantry.core.%s: %s; install %s"):format(name, reason,
    PACKAGES[name]))
end

return c_module

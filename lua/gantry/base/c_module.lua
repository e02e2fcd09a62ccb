-- SPDX-License-Identifier: Apache-2.0
--
--- base/c_module.lua: the C modules that stand beside gantry.core because each needs a library of its own, which the
--- dynamic linker loads with it. What a program never asks for it never loads, and need not have.

local errors = require "gantry.base.errors"

local c_module = {}

-- Debian's packages of the libraries that they are linked against.
local PACKAGES <const> = {
  certificate = "libssl3",
  control = "libmicrohttpd12",
  digest = "libssl3",
  grpc = "libnghttp2-14 and libssl3",
  http = "libcurl4",
  line_editor = "libreadline8",
}

---Loads gantry.core.NAME where it is not loaded yet.
---@param name "certificate"|"control"|"digest"|"grpc"|"http"|"line_editor"
---@return table? module
---@return gantry.Error? err LIBRARY_MISSING: the module, or a library that it needs, is not there
function c_module.load(name)
  local loaded, module = pcall(require, "gantry.core." .. name)
  if loaded then return module end
  local reason = tostring(module):gsub("%s+", " ")
  return nil, errors.new("LIBRARY_MISSING", ("load gantry.core.%s: %s; install %s"):format(name, reason,
    PACKAGES[name]))
end

return c_module

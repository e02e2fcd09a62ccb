-- SPDX-License-Identifier: Apache-2.0
--
--- policy/program.lua: how the process that evaluates policies is started: as this executable where this is gantry
--- itself, by an interpreter with this very module where this is a program that has gantry in it.

local core = require "gantry.core"

local program = {}

-- What the executable is called with (see src/main.c); no verb that people see.
program.VERB = "policy-child"

-- A program that embeds Lua may be anything; Lua's own interpreter can be told what to run.
local INTERPRETERS = { "/usr/bin/lua5.4", "/usr/bin/lua", "/usr/local/bin/lua5.4", "/usr/local/bin/lua" }
-- What an interpreter needs to find the libraries that this process found, and what os.date needs.
local PASSED = { "LD_LIBRARY_PATH", "LD_PRELOAD", "ASAN_OPTIONS", "TZ" }

---@param path string
---@return string absolute
local function absolute(path)
  return core.system.real_path(path) or path
end

---@return string? path
local function interpreter()
  local own = core.system.real_path "/proc/self/exe"
  if own and own:find "/lua[%d.]*$" then return own end
  for _, path in ipairs(INTERPRETERS) do
    if core.system.stat(path) then return path end
  end
end

---@param list string a package path
---@return string
local function absolute_path(list)
  local parts = {}
  for part in list:gmatch "[^;]+" do
    local folder, rest = part:match "^(.-)(/?%?.*)$"
    if folder and folder ~= "" then part = absolute(folder) .. rest end
    if part:sub(1, 1) == "/" then parts[#parts + 1] = part end
  end
  return table.concat(parts, ";")
end

---@param path string
---@return string[]
local function by_interpreter(path)
  local text = ("package.path, package.cpath = %q, %q require('gantry.policy.child').main()"):format(
    absolute_path(package.path), absolute_path(package.cpath))
  return { path, "-e", text }
end

---@return string[]
local function command()
  local path = not package.loaded["gantry.executable"] and interpreter()
  return path and by_interpreter(path) or { "/proc/self/exe", program.VERB }
end

---@param given string[]? the command of a program that knows better, such as { "/usr/bin/gantry", "policy-child" }
---@return table options for core.process.spawn
function program.options(given)
  local options = { table.unpack(given or command()) }
  local variables, environment = core.system.environment(), {}
  for _, name in ipairs(PASSED) do
    if variables[name] then environment[#environment + 1] = ("%s=%s"):format(name, variables[name]) end
  end
  options.environment, options.new_session = environment, true
  options.input, options.output, options.error = "pipe", "pipe", "null"
  return options
end

return program

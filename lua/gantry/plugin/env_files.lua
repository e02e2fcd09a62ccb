-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/env_files.lua: variables from files in the form of docker's --env-file: NAME=VALUE, a line each, the value as
--- it stands. No message shows anything of a line: it may be a secret.

local errors = require "gantry.base.errors"
local later = require "gantry.base.later"
local secret_file = later "gantry.plugin.secret_file"
local variables = require "gantry.config.variables"

local env_files = {}

---@class gantry.EnvFiles
---@field values table<string, string> of all files; the later one counts
---@field warnings string[]

---@param line string
---@return string? reason
local function wrong_line(line)
  if line:find("\0", 1, true) then return "holds a zero byte" end
  if not utf8.len(line) then return "is not UTF-8" end
  local name = line:match "^([^=]*)="
  if not name then return "has no '='; to hand in a variable of your own environment, name it in pass_env" end
  if name == "" then return "has no name before its '='" end
  if variables.is_handshake(name) then return "sets a variable of go-plugin's handshake, which gantry sets" end
  if variables.wrong_name(name) then return "has no name of a variable before its '='" end
end

---@param value string
---@return boolean
local function is_quoted(value)
  return value:find '^".*"$' ~= nil or value:find "^'.*'$" ~= nil
end

---Takes a file's text apart.
---@param text string
---@param path string for messages
---@param field string
---@param into gantry.EnvFiles
---@return boolean? ok, gantry.Error? err ENV_FILE_INVALID
local function parse(text, path, field, into)
  local number = 0
  for line in (text:gsub("^\xEF\xBB\xBF", "") .. "\n"):gmatch "(.-)\r?\n" do
    number = number + 1
    line = line:gsub("^%s+", "")
    if line ~= "" and line:sub(1, 1) ~= "#" then
      local wrong = wrong_line(line)
      if wrong then
        return nil, errors.new("ENV_FILE_INVALID", ("%s: %s:%d: the line %s"):format(field, path, number, wrong),
          { field = field, file = path, line = number })
      end
      local name, value = line:match "^([^=]*)=(.*)$"
      into.values[name] = value
      if is_quoted(value) then
        table.insert(into.warnings, ("%s: %s:%d: the quotes are part of %s's value, as with docker's --env-file; leave "
          .. "them out where they are not meant"):format(field, path, number, name))
      end
    end
  end
  return true
end

---@param path string
---@param field string the policy's, for messages
---@param found gantry.EnvFiles? to be added to
---@return gantry.EnvFiles? found
---@return gantry.Error? err as of gantry.plugin.secret_file, and ENV_FILE_INVALID
function env_files.read_one(path, field, found)
  found = found or { values = {}, warnings = {} }
  local text, err = secret_file.read(path, field)
  if not text then return nil, err end
  local ok, wrong = parse(text, path, field, found)
  return ok and found, wrong
end

---@param config gantry.Config
---@return gantry.EnvFiles? found, gantry.Error? err
function env_files.read(config)
  local found = { values = {}, warnings = {} }
  for i, path in ipairs(config.env_files or {}) do
    local ok, err = env_files.read_one(path, ("env_files[%d]"):format(i), found)
    if not ok then return nil, err end
  end
  return found
end

return env_files

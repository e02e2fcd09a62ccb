-- SPDX-License-Identifier: Apache-2.0
--
--- config/security_options.lua: the type of security_opt: the options that Docker or Podman takes by its API. What
--- their commands make of a file's name, the API does not.

local nearest = require "gantry.base.nearest"
local types = require "gantry.base.types"
local words = require "gantry.base.words"

-- What strconv.ParseBool takes, which reads it for the engines.
local BOOLEANS <const> = { ["1"] = true, t = true, T = true, ["true"] = true, TRUE = true, True = true, ["0"] = true,
  f = true, F = true, ["false"] = true, FALSE = true, False = true }

---@param value string
---@return string? reason a predicate
local function wrong_label(value)
  if value == "disable" or value == "nested" or value:find "^%l+:%S+$" then
    local kind = value:match "^(%l+):"
    if not kind then return nil end
    for _, known in ipairs { "user", "role", "type", "level", "filetype" } do
      if kind == known then return nil end
    end
  end
  return "must be label=disable, or label=user:…, role:…, type:…, level:… or filetype:…"
end

---@param value string
---@return string? reason
local function wrong_seccomp(value)
  if value == "unconfined" or value == "builtin" or value:find "^%s*{" then return nil end
  return 'must have the profile itself; for that of a file, set the field seccomp = "/path"'
end

local function wrong_boolean(value)
  if not BOOLEANS[value] then return "must be no-new-privileges, or no-new-privileges=false" end
end

local function nothing_wrong() end

---@param value string
local function empty(value)
  if value == "" then return "must have a value after the =" end
end

-- mask, unmask and proc-opts are Podman's, writable-cgroups is Docker's since 28.
local KNOWN <const> = { label = wrong_label, seccomp = wrong_seccomp, ["no-new-privileges"] = wrong_boolean,
  apparmor = empty, mask = empty, unmask = empty, ["proc-opts"] = empty, ["writable-cgroups"] = nothing_wrong }

local ALONE <const> = { ["no-new-privileges"] = true, disable = true, ["writable-cgroups"] = true }

---@type string[]
local NAMES <const> = {}
for name in pairs(KNOWN) do NAMES[#NAMES + 1] = name end
table.sort(NAMES)

---@param text string
---@return string? text, string? reason
local function check(text)
  if ALONE[text] then return text end
  local name, value = text:match "^([^=]*)=(.*)$"
  if not name then name, value = text:match "^([^:]*):(.*)$" end -- the sign of old
  if name == "systempaths" then
    return nil, "names systempaths, which is the docker command's own, and not the engine's"
  end
  if not KNOWN[name] then
    local near = nearest.find(name or text, NAMES)
    return nil, ("must be one of %s, got %s%s"):format(table.concat(NAMES, ", "), words.show(text), near
      and ("; did you mean '%s'?"):format(near) or "")
  end
  local reason = KNOWN[name](value)
  if reason then return nil, ("%s, got %s"):format(reason, words.show(text)) end
  return text
end

return types.list(types.string { one_line = true, check = check }, { text = "a list of strings", min = 1,
  unique = true })

-- SPDX-License-Identifier: Apache-2.0
--
--- host_record.lua: the manual's table of hosts (docs/hosts.md) says what tests have shown. A test that has run a host
--- ends with a record of it: that has to be what docs/hosts/KEY.json says, of which docs/generate.lua makes the table.
--- With GANTRY_RECORD_HOSTS=1 the test writes the file instead: then run `cmake --build build --target docs`.

local assert = require "luassert"
local hosts = require "engine.hosts"
local json = require "gantry.json"
local support = require "engine.support"

local host_record = {}

local FIELDS <const> = { "host", "tried", "policy", "limits" }

---The version of a module that a program of the tests is built with.
---@param go_mod string path below the repository's root
---@param module string
---@return string
function host_record.requires(go_mod, module)
  for line in io.lines(support.source .. "/" .. go_mod) do
    local name, version = line:gsub("^require ", ""):match("^%s*(%S+) v(%S+)")
    if name == module then return version end
  end
  error(go_mod .. " does not require " .. module)
end

---The version of a module that is itself a program, as tests/hosts/build.sh has built it.
---@param name string of the program
---@return string
function host_record.built(name)
  return assert(support.read(hosts.folder .. "/" .. name .. ".made-of"):match("@v(%S+)"))
end

---@param record table<string, string>
---@return string JSON, a line each field
local function text_of(record)
  local lines = {}
  for i, field in ipairs(FIELDS) do
    lines[i] = ('  "%s": %s'):format(field, json.encode(assert(record[field], "no " .. field)))
  end
  return "{\n" .. table.concat(lines, ",\n") .. "\n}\n"
end

---To be called where the test has shown all of it.
---@param key string of the host: the name of its file
---@param record { host: string, tried: string, policy: string, limits: string } one line of Markdown each: the host;
---versions of it and of its plugins; what its policy must say; what cannot work, and why
function host_record.ran(key, record)
  local path = ("%s/docs/hosts/%s.json"):format(support.source, key)
  local text = text_of(record)
  if os.getenv "GANTRY_RECORD_HOSTS" then
    support.write(path, text)
    return
  end
  local file = io.open(path, "r")
  local there = file and file:read("a") or ""
  if file then file:close() end
  assert.are.equal(text, there, path .. " is not what this test has shown; run it with GANTRY_RECORD_HOSTS=1, then "
    .. "cmake --build build --target docs")
end

return host_record

-- SPDX-License-Identifier: Apache-2.0
--
--- lua/wrong_inputs/harness.lua: wrong inputs as tables, one file a subject beside this one, and what is expected of
--- each: an exit code, words that must occur, no trace, no silence, no hang. A file returns
---
---     { subject = "...", files = { [path] = text, ... }, engine = true or nil,
---       prepare = shell script or nil, cleanup = shell script or nil,
---       cases = { { command line of a shell, exit code, words, ... }, ... } }
---
--- Commands run in a folder of the table's, where the files are, `gantry` is the command under test, and no engine
--- answers unless `engine` is set. `prepare` and `cleanup` run once, before and after, in the same folder. A case with
--- `files` has a folder of its own; `without` are words that must not occur, `name` is what it is called.

local assert = require "luassert"
local core = require "gantry.core"

local harness = {}

-- Seconds after which a command hangs. One that did is tried once more: a machine that is busy is no hang.
local HANG <const> = 2
local TIMED_OUT <const> = 124

local SOURCE <const> = os.getenv "GANTRY_SOURCE" or "."
local GANTRY <const> = assert(os.getenv "GANTRY", "GANTRY must name the executable under test (ctest sets it)")

---@class harness.Case
---@field [1] string command line
---@field [2] integer exit code
---@field [integer] string words
---@field files table<string, string>?
---@field without string?
---@field name string?

---@class harness.Table
---@field subject string
---@field engine boolean?
---@field files table<string, string>?
---@field prepare string?
---@field cleanup string?
---@field cases harness.Case[]

---@return harness.Table[] all of them, by their files' names
function harness.tables()
  local list, folder = {}, SOURCE .. "/tests/lua/wrong_inputs"
  local names = assert(core.files.list(folder))
  table.sort(names)
  for _, name in ipairs(names) do
    if name ~= "harness.lua" then list[#list + 1] = dofile(folder .. "/" .. name) end
  end
  return list
end

---@param folder string
---@param files table<string, string>?
local function write(folder, files)
  for name, text in pairs(files or {}) do
    assert(os.execute(("umask 077; mkdir -p $(dirname %s/%s)"):format(folder, name)))
    local file <close> = assert(io.open(folder .. "/" .. name, "wb"))
    file:write(text)
  end
end

---Defines the tests of all tables that need an engine, or of all others.
---@param engine boolean?
function harness.define(engine)
  local busted = require "busted"
  for _, one in ipairs(harness.tables()) do
    if one.engine == engine then
      busted.describe("a wrong input, " .. one.subject .. ":", function()
        local place
        busted.setup(function() place = harness.place(one) end)
        busted.teardown(function() place:close() end)
        for _, case in ipairs(one.cases) do
          busted.it(case.name or case[1], function() place:check(case) end)
        end
      end)
    end
  end
end

---@class harness.Place a folder to run commands in
---@field path string
local Place = {}
Place.__index = Place

---@param one harness.Table
---@return harness.Place
function harness.place(one)
  local self = setmetatable({ path = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4)),
    engine = one.engine, cleanup = one.cleanup }, Place)
  assert(os.execute(("mkdir -m 700 %s && mkdir %s/bin && ln -s %s %s/bin/gantry"):format(self.path, self.path,
    core.system.real_path(GANTRY), self.path)))
  write(self.path, one.files)
  if one.prepare then assert(self:run(one.prepare, 60) == 0, one.subject .. " cannot be prepared") end
  return self
end

---@param command string
---@param seconds number
---@param folder string? where, instead of the table's
---@return integer code, string output
function Place:run(command, seconds, folder)
  local script, output = self.path .. "/.command", self.path .. "/.output"
  local file = assert(io.open(script, "wb"))
  file:write(command, "\n")
  file:close()
  local environment = self.engine and "" or "DOCKER_HOST=unix://$at/no.sock"
  local _, _, code = os.execute(("at=%s; cd %s && env -u DOCKER_CONTEXT -u CONTAINER_HOST -u GANTRY_SITE -u LD_PRELOAD "
    .. "-u XDG_CONFIG_HOME -u XDG_RUNTIME_DIR %s PATH=$at/bin:$PATH HOME=$at GANTRY_RUNTIME_DIR=$at/run "
    .. "GANTRY_STATE_DIR=$at/state timeout %g bash %s >%s 2>&1 </dev/null"):format(self.path, folder or self.path,
    environment, seconds, script, output))
  local reader <close> = assert(io.open(output, "rb"))
  return code, reader:read "a"
end

function Place:close()
  if self.cleanup then self:run(self.cleanup, 60) end
  assert(self.path:find "/gantry%-test%-%x+$")
  assert(os.execute("rm -rf " .. self.path))
end

-- What no user is to see.
local NEVER <const> = { "stack traceback", "defect of gantry", "/lua/gantry/", "attempt to ", "nil value" }

---@param case harness.Case
function Place:check(case)
  local command, wanted = case[1], case[2]
  local folder = case.files and ("%s/%s"):format(self.path, core.system.random(4))
  write(folder, case.files)
  local code, output = self:run(command, HANG, folder)
  if code == TIMED_OUT then code, output = self:run(command, HANG, folder) end
  local shown = ("%s\nexit code %s\n%s"):format(command, code, output)
  assert.are_not.equal(TIMED_OUT, code, "it hangs: " .. shown)
  assert.are.equal(wanted, code, shown)
  assert.is_truthy(output:find "%S", "silence: " .. shown)
  for _, words in ipairs { case.without or NEVER[1], table.unpack(NEVER) } do
    assert.is_nil(output:find(words, 1, true), words .. " in " .. shown)
  end
  for i = 3, #case do assert.is_truthy(output:find(case[i], 1, true), ("no '%s' in %s"):format(case[i], shown)) end
end

return harness

-- SPDX-License-Identifier: Apache-2.0
--
--- matrix.lua: what the specs of the engines' matrix share: cases whose outcome goes into the matrix's table, and the
--- fields that are read back from every engine.

local assert = require "luassert"
local container = require "engines.seen"
local support = require "engine.support"

local matrix = {}

local results = assert(os.getenv("GANTRY_MATRIX_RESULTS"), "GANTRY_MATRIX_RESULTS must name a file (run.sh sets it)")
matrix.engine = assert(os.getenv("GANTRY_MATRIX_ENGINE"), "GANTRY_MATRIX_ENGINE must name the engine (run.sh sets it)")

---@type string? as the engine knows it; its default where nil
matrix.runtime = os.getenv("GANTRY_MATRIX_RUNTIME")

---@param name string
---@param outcome "ok"|"failed"|"skipped"
---@param reason string
local function note(name, outcome, reason)
  local file <close> = assert(io.open(results, "ab"))
  file:write(table.concat({ matrix.engine, name, outcome, (reason:gsub("%c+", " ")) }, "\t"), "\n")
end

---Ends a case as skipped, for a reason that was seen: `return matrix.skip "..."`.
---@param reason string
function matrix.skip(reason)
  return { reason = reason }
end

---@param problem any an error; those of assertions are tables
---@return string
local function text_of(problem)
  local text = type(problem) == "table" and problem.message or problem
  return debug.traceback(tostring(text), 2)
end

---Where an engine that no daemon keeps has all that is known of its containers, as the plugins' sockets are: one folder
---for all who are to find them.
---@param engine gantry.EngineClient
---@return string? path nil where any will do
function matrix.runtime_dir(engine)
  return engine.kind == "oci" and assert(os.getenv "GANTRY_RUNTIME_DIR", "oci.sh sets GANTRY_RUNTIME_DIR") or nil
end

---A runtime directory for one case.
---@param engine gantry.EngineClient
---@return string path
function matrix.begin(engine)
  return matrix.runtime_dir(engine) or support.temporary()
end

---Nothing may be left in it.
---@param engine gantry.EngineClient
---@param runtime_dir string of begin
function matrix.finish(engine, runtime_dir)
  assert.are.same({}, support.containers(runtime_dir))
  assert.are.same({}, matrix.left(engine, runtime_dir))
  if runtime_dir ~= matrix.runtime_dir(engine) then support.remove(runtime_dir) end
end

---@param engine gantry.EngineClient
---@param runtime_dir string
---@return string[] left what plugins have left there, or their containers
function matrix.left(engine, runtime_dir)
  local list = {}
  engine:list {} -- takes away what killed ones have left
  for _, name in ipairs(support.entries(runtime_dir)) do
    if engine.kind ~= "oci" or name ~= ".oci" then list[#list + 1] = name end
  end
  for _, folder in ipairs(engine.kind == "oci" and { "containers", "names", "runtime/*" } or {}) do
    for _, name in ipairs(support.entries(("%s/.oci/%s"):format(runtime_dir, folder))) do
      if name ~= ".cache" then list[#list + 1] = name end -- crun's, of filters that it has compiled
    end
  end
  return list
end

---What makes a case of the suite: a test whose outcome is a cell of the table.
---@param it function busted's, which only the spec itself has
---@return fun(name: string, run: fun(): table?)
function matrix.cases(it)
  return function(name, run)
    it(name, function()
      local ok, result = xpcall(run, text_of)
      if ok then return note(name, result and "skipped" or "ok", result and result.reason or "") end
      note(name, "failed", result:match("^[^\n]*"))
      error(result, 0)
    end)
  end
end

local FIELDS = {
  args = { "-exit-code", "0" }, working_dir = "/tmp", group_add = { 4321 }, env = { "GREETING=two words = 1" },
  labels = { ["com.example.team"] = "identity" }, memory = "256MiB", nano_cpus = 500000000, pids_limit = 300,
  security_opt = { "no-new-privileges" }, read_only = true, tmpfs = { ["/tmp"] = "size=16m" },
  mounts = { { source = "/usr/share", target = "/data", read_only = true } }, cap_ipc_lock = true,
}

-- What is read back of each, where the engine took it.
local READ_BACK <const> = {
  args = function(seen, value) assert.are.same(value, seen.args) end,
  working_dir = function(seen, value) assert.are.equal(value, seen.working_dir) end,
  group_add = function(seen, value) assert.is_true(container.contains(seen.groups, tostring(value[1]))) end,
  env = function(seen, value) assert.is_true(container.contains(seen.env, value[1])) end,
  labels = function(seen) assert.are.equal("identity", seen.labels["com.example.team"]) end,
  memory = function(seen) assert.are.equal(256 * 1024 * 1024, seen.memory) end,
  nano_cpus = function(seen, value) assert.are.equal(value, seen.nano_cpus) end,
  pids_limit = function(seen, value) assert.are.equal(value, seen.pids) end,
  security_opt = function(seen) assert.is_true(seen.no_new_privileges) end,
  read_only = function(seen) assert.is_true(seen.read_only) end,
  tmpfs = function(seen) assert.is_truthy(seen.tmpfs["/tmp"]:find("size=16m", 1, true)) end,
  mounts = function(seen) assert.are.same({ source = "/usr/share", writable = false }, seen.mounts["/data"]) end,
}

---Launches with as many of the fields as the engine takes. What it refuses, it refuses by name.
---@param fields table<string, any> of which those that are refused are taken away
---@param launch fun(changes: table): gantry.Plugin?, gantry.Error?
---@return gantry.Plugin plugin
---@return gantry.Error[] refusals
local function launch_with(fields, launch)
  local refusals = {}
  while true do
    local plugin, err = launch(fields)
    if plugin then return plugin, refusals end
    local refused = (err.code == "LIMIT_NOT_DELEGATED" or err.code == "ENGINE_UNSUPPORTED") and err.field
    assert(refused and fields[refused] ~= nil, tostring(err))
    fields[refused], refusals[#refusals + 1] = nil, err
  end
end

---Launches a plugin with many fields set, and reads them back.
---@param engine gantry.EngineClient
---@param launch fun(changes: table): gantry.Plugin?, gantry.Error?
---@return table? skipped
function matrix.check_fields(engine, launch)
  local fields = {}
  for name, value in pairs(FIELDS) do fields[name] = value end
  local plugin <close>, refusals = launch_with(fields, launch)
  local seen = container.of(engine, plugin.container)
  for name, check in pairs(READ_BACK) do
    if fields[name] ~= nil then check(seen, fields[name]) end
  end
  if #refusals == 0 then return nil end
  local texts = {}
  for i, err in ipairs(refusals) do texts[i] = err.message end
  return matrix.skip("all but what is refused by name: " .. table.concat(texts, "; "))
end

return matrix

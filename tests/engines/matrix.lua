-- SPDX-License-Identifier: Apache-2.0
--
--- matrix.lua: what the specs of the engines' matrix share: cases whose outcome goes into the matrix's table, and the
--- fields that are read back from every engine.

local assert = require "luassert"
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

---@param list any[]?
---@param wanted any
---@return boolean
local function contains(list, wanted)
  for _, one in ipairs(list or {}) do
    if one == wanted then return true end
  end
  return false
end

---@param container table
---@param target string
local function mount_at(container, target)
  for _, mount in ipairs(container.Mounts) do
    if mount.Destination == target then return mount end
  end
end

local FIELDS = {
  args = { "-exit-code", "0" }, working_dir = "/tmp", group_add = { 4321 }, env = { "GREETING=two words = 1" },
  labels = { ["com.example.team"] = "identity" }, memory = "256MiB", nano_cpus = 500000000, pids_limit = 300,
  security_opt = { "no-new-privileges" }, read_only = true, tmpfs = { ["/tmp"] = "size=16m" },
  mounts = { { source = "/usr/share", target = "/data", read_only = true } }, cap_ipc_lock = true,
}

---@param container table the engine's inspect
local function check(container)
  local config, host = container.Config, container.HostConfig
  assert.are.same(FIELDS.args, config.Cmd)
  assert.are.equal("/tmp", config.WorkingDir)
  assert.is_true(contains(config.Env, "GREETING=two words = 1"))
  assert.are.equal("identity", config.Labels["com.example.team"])
  assert.is_true(contains(host.GroupAdd, "4321"))
  assert.are.equal(256 * 1024 * 1024, host.Memory)
  assert.are.equal(500000000, host.NanoCpus)
  assert.are.equal(300, host.PidsLimit)
  assert.is_true(host.ReadonlyRootfs)
  assert.is_truthy(host.Tmpfs["/tmp"]:find("size=16m", 1, true))
  assert.is_truthy(contains(host.SecurityOpt, "no-new-privileges"))
  local mount = assert(mount_at(container, "/data"))
  assert.are.same({ "/usr/share", false }, { mount.Source, mount.RW })
end

---Launches a plugin with many fields set, and reads them back.
---@param policy fun(changes: table): table
---@param launch fun(config: table): gantry.Plugin?, gantry.Error?
function matrix.check_fields(policy, launch)
  local plugin <close> = assert(launch(policy(FIELDS)))
  check(assert(support.engine():inspect(plugin.container)))
end

return matrix

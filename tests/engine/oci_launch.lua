-- SPDX-License-Identifier: Apache-2.0
--
--- oci_launch.lua: one container by an OCI runtime, run by hand in the foreground with the config.json that gantry
--- builds: what tests of the runtime specification start, as root or as an ordinary user. Its output is the
--- container's, its exit code as well; what gantry refuses is one line, "REFUSED CODE MESSAGE", and exit code 99.
---
--- Usage: oci_launch.lua REQUEST, a file of JSON: spec, image, runtime, root, directory, id, prepare, also { path }

local cgroups = require "gantry.engine.oci.cgroups"
local core = require "gantry.core"
local json = require "gantry.json"
local mount_points = require "gantry.engine.oci.mount_points"
local runtime_facts = require "gantry.engine.oci.runtime_facts"
local runtime_spec = require "gantry.engine.oci.runtime_spec"
local shell = require "gantry.base.shell"
local writable_root = require "gantry.engine.oci.writable_root"

local REFUSED <const> = 99
local PROGRAMS <const> = { crun = "/usr/bin/crun", runc = "/usr/sbin/runc", runsc = "/usr/bin/runsc" }

---@param path string
---@param text string
local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

---@param path string
local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

---@param ... string
---@return boolean? ok, string? kind, integer? code
local function run(...)
  local words = {}
  for i, word in ipairs { ... } do words[i] = shell.quote(word) end
  return os.execute(table.concat(words, " "))
end

---@param ... any
local function refuse(err)
  print(("REFUSED %s %s"):format(err.code, err.message))
  os.exit(REFUSED)
end

---@param request table
---@return string? path of a root file system that can be written to
---@return gantry.WritableRoot? root
local function own_root(request)
  if request.spec.read_only ~= false then return nil end
  local root = assert(writable_root.of(request.root, request.directory, core.system.euid() ~= 0))
  run("mkdir", "-p", table.unpack(root.directories))
  assert(run(table.unpack(root.make)))
  return root.path, root
end

local request = json.decode(read(arg[1]))
local places = cgroups.find()
if request.prepare then cgroups.prepare(places) end
local root_path, own = own_root(request)
local facts, err = runtime_facts.gather(request.spec, request.image, { runtime = request.runtime, id = request.id,
  directory = request.directory, root = request.root, writable_root = root_path, places = places })
if not facts then refuse(err) end
local built
built, err = runtime_spec.build(request.spec, request.image, facts)
if not built then refuse(err) end
assert(mount_points.make(built.config.root.path, built.points))
for name, text in pairs(built.files) do write(request.directory .. "/" .. name, text) end
write(request.directory .. "/config.json", json.encode(built.config))
local words = { PROGRAMS[request.runtime], "--root", request.directory .. "/state" }
table.move(built.arguments, 1, #built.arguments, #words + 1, words)
table.move({ "run", "--bundle", request.directory, request.id }, 1, 4, #words + 1, words)
local _, _, code = run("/usr/bin/env", "PATH=/nonexistent", "/usr/bin/timeout", "--kill-after=5", "60",
  table.unpack(words))
if own and own.unmake then run(table.unpack(own.unmake)) end
os.exit(code)

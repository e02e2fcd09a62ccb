-- SPDX-License-Identifier: Apache-2.0
--
--- oci_dial.lua: one container by the engine without a daemon, made by whoever runs this, of a binary that is no
--- plugin. Its output is the container's, then "exit CODE"; what gantry refuses is one line, "REFUSED CODE MESSAGE".
---
--- Usage: oci_dial.lua REQUEST, a file of JSON: engine, binary, args, network, folder

local binary_image = require "gantry.engine.binary_image"
local container = require "gantry.engine.container"
local core = require "gantry.core"
local engines = require "gantry.engine"
local json = require "gantry.json"
local plugin_binary = require "gantry.plugin.binary"
local task = require "gantry.task"

---@return table request
local function read()
  local file <close> = assert(io.open(arg[1]))
  return json.decode(file:read "a")
end

---@param err gantry.Error
local function refuse(err)
  print(("REFUSED %s %s"):format(err.code, err.message))
end

---@param client gantry.EngineClient
---@param request table
---@return table? asked, gantry.Error? err
local function ask(client, request)
  local binary <close> = assert(plugin_binary.open({ binary = request.binary }, {}))
  assert(client:load_binary(binary))
  local spec = container.spec({ args = request.args, networks = { request.network } }, {
    image = binary_image.reference(binary.sha256), directory = request.folder .. "/sockets", groups = {},
    environment = {}, labels = {} })
  return client:request(spec)
end

---@param client gantry.EngineClient
---@param id string
local function run(client, id)
  local ended = task.event()
  assert(client:attach(id, { on_output = function(_, bytes) io.write(bytes) end,
    on_end = function() ended:set(true) end }))
  local ok, err = client:start(id)
  ended:wait()
  if ok then print("exit " .. client:wait(id).exit_code) else refuse(err) end
  assert(client:remove(id))
end

local request = read()
local client <close> = assert(engines.connect { url = request.engine, environment = {
  GANTRY_RUNTIME_DIR = request.folder .. "/run", GANTRY_IMAGE_DIR = request.folder .. "/images",
  PATH = "/usr/bin:/usr/sbin", HOME = request.folder } })
task.run(function()
  local asked, err = ask(client, request)
  if not asked then return refuse(err) end
  run(client, assert(client:create("gantry-test-" .. core.system.random(4), asked)).id)
end)

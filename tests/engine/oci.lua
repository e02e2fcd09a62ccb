-- SPDX-License-Identifier: Apache-2.0
--
--- tests/engine/oci.lua: what the specs of the engine without a daemon share.

local binary_image = require "gantry.engine.binary_image"
local plugin_binary = require "gantry.plugin.binary"
local support = require "engine.support"
local task = require "gantry.task"

local oci = {}

---The key-value plugin as a program.
---@param version "1.6"|"1.8" of go-plugin
---@return string path
function oci.kv(version)
  return (os.getenv "GANTRY_CACHE" or support.source .. "/.cache") .. "/kv/kv-" .. version
end

---Lua source of a policy of the key-value plugin as a program.
---@param lines string further fields
---@return string
function oci.policy(lines)
  return ("return { binary = %q, cookie = { %q, %q }, stop_timeout = 1, disable_network = true,\n%s\n}\n"):format(
    oci.kv "1.8", support.cookie[1], support.cookie[2], lines)
end

---Has the engine make the image of a plugin's binary.
---@param engine gantry.EngineClient
---@param path string
---@return string id
function oci.image(engine, path)
  return task.run(function()
    local binary <close> = assert(plugin_binary.open({ binary = path }, {}))
    assert(engine:load_binary(binary))
    return assert(engine:image(binary_image.reference(binary.sha256))).id
  end)
end

return oci

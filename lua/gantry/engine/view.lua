-- SPDX-License-Identifier: Apache-2.0
--
--- engine/view.lua: whether an engine sees a path as this process does. A service of systemd's with PrivateTmp has a
--- /tmp and a /var/tmp of its own, and so may an engine have: a path in there that both know means two folders.

local core = require "gantry.core"

local view = {}

-- The folders that services have for themselves. Elsewhere engines have mounts of their own that lead to the same files
-- (rootless ones below /run), and only the engine can tell.
local OFTEN_PRIVATE <const> = { "/tmp", "/var/tmp" }

---@param path string
---@return string? folder of those that are often private
local function folder_of(path)
  for _, folder in ipairs(OFTEN_PRIVATE) do
    if path == folder or path:sub(1, #folder + 1) == folder .. "/" then return folder end
  end
end

---The folder above a path, or the path itself, that is another one for the engine than for this process.
---@param engine gantry.EngineClient
---@param path string absolute
---@return string? folder nil where the engine sees the same, as far as can be told
function view.hidden(engine, path)
  if engine.kind == "oci" then return nil end -- it is this process, whose folders its containers get
  local folder = folder_of(core.system.real_path(path) or path)
  if not folder then return nil end
  local socket = engine.endpoint.unix_socket
  -- An engine that is not reached by a socket, or from another view of processes, is where the first process is.
  local pid = socket and core.system.listener(socket) or nil
  if core.system.sees_same(pid, path) ~= false then return nil end
  return core.system.sees_same(pid, folder) == false and folder or path
end

-- What makes a folder of a service's that the engine sees: for messages.
view.REMEDY = "give the unit RuntimeDirectory=NAME, or set GANTRY_RUNTIME_DIR to a folder below /run"

---What is wrong with a path that view.hidden found.
---@param folder string
---@return string such as "/tmp is not the engine's"
function view.describe(folder)
  return ("%s is this service's own (PrivateTmp), and the engine's is another"):format(folder)
end

return view

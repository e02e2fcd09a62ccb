-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/files.lua: files inside a container, which need not run.

local archive = require("gantry.base.later") "gantry.engine.docker.archive"
local errors = require "gantry.base.errors"
local exchange = require "gantry.engine.docker.exchange"
local task = require "gantry.task"

---@class gantry.DockerClient
local Files = {}

---@param self gantry.DockerClient
---@param id string
---@param path string
---@return string
local function archive_path(self, id, path)
  return ("/v%s/containers/%s/archive?path=%s"):format(self.api, id, exchange.escape(path))
end

---@param id string
---@param path string
---@return string? text, gantry.Error?
function Files:read_file(id, path)
  local action = ("read %s of container %s"):format(path, exchange.short(id))
  local response, err = exchange.send(self.http, { method = "GET", timeout = exchange.REQUEST_TIMEOUT,
    path = archive_path(self, id, path) })
  if not response then return nil, err:wrap(action) end
  if exchange.failed(response.status) then return nil, exchange.error(action, response.status, response.body) end
  local text = archive.first_file(response.body)
  if text then return text end
  return nil, errors.new("ENGINE_ANSWER", action .. ": the engine's answer holds no such file")
end

---What an archive's first entry begins with.
---@param bytes string the archive, or as much of it as there is
---@param most integer bytes
---@return gantry.FileHead? head nil where there is not enough of it yet
local function head_of(bytes, most)
  local entry = archive.first(bytes)
  local last = entry and entry.content + math.min(entry.size, most) - 1
  if not entry or #bytes < last then return nil end
  return { kind = entry.kind, mode = entry.mode, target = entry.target, bytes = bytes:sub(entry.content, last) }
end

---@param id string
---@param path string
---@param most integer bytes
---@return gantry.FileHead? head, gantry.Error? err NOT_FOUND where nothing is there
function Files:read_head(id, path, most)
  local action = ("look at %s of container %s"):format(path, exchange.short(id))
  local text, status, head, enough = "", nil, nil, task.event()
  local sent <close>, refused = self.http:request { method = "GET", timeout = exchange.REQUEST_TIMEOUT,
    path = archive_path(self, id, path),
    on_headers = function(code) status = code end,
    on_data = function(bytes)
      text = text .. bytes
      head = not exchange.failed(status) and head_of(text, most) or nil
      if head then enough:set(true) end
    end,
    on_done = function(err) enough:set(not err, err) end }
  if not sent then return nil, refused:wrap(action) end
  local ok, err = enough:wait()
  if not ok then return nil, err:wrap(action) end
  if exchange.failed(status) then return nil, exchange.error(action, status, text) end
  if head then return head end
  return nil, errors.new("ENGINE_ANSWER", action .. ": the engine's answer is no archive, or ends within the file")
end

return { methods = Files }

-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/unpack.lua: puts an image into the store: gantry-unpack makes its root, alone among all who want the
--- same, and lets others at it once what the image is stands beside it.

local settings = require "gantry.policy.settings"
local task = require "gantry.task"
local work = require "gantry.engine.oci.work"

local unpack = {}

-- As much as large images have, several times over.
local MOST_ENTRIES <const>, MOST_BYTES <const> = 1000000, 64 * 1024 * 1024 * 1024

---What one image may bring, as this machine's settings have it.
---@param environment table<string, string>?
---@return { entries: integer, bytes: integer }
function unpack.bounds(environment)
  return { entries = settings.get("image_entries", environment) or MOST_ENTRIES,
    bytes = settings.get("image_size", environment) or MOST_BYTES }
end

---@class gantry.UnpackHandlers
---@field on_waiting fun()? somebody else has the image's place
---@field on_unpacking fun()?
---@field on_progress fun(layer: integer, bytes: integer)? bytes read of a layer's blob

---@param handlers gantry.UnpackHandlers
---@param done gantry.Event
---@return fun(line: string)
local function listener(handlers, done)
  local function call(handler, ...)
    if handler then handler(...) end
  end
  return function(line)
    local layer, bytes = line:match "^progress (%d+) (%d+)$"
    if layer then
      call(handlers.on_progress, math.tointeger(layer), math.tointeger(bytes))
    elseif line == "waiting" then
      call(handlers.on_waiting)
    elseif line == "unpacking" then
      call(handlers.on_unpacking)
    elseif line == "done" then
      done:set(true)
    end
  end
end

---@param mode "image"|"program"
---@param arguments string[]
---@param handlers gantry.UnpackHandlers
---@param written fun(): boolean?, gantry.Error? writes down what the image is; called while nobody else has its place
---@return boolean? ok, gantry.Error? err
local function run(mode, arguments, handlers, written)
  local done = task.event()
  local started <close>, err = work.start(mode, arguments, { input = "pipe", on_line = listener(handlers, done) })
  if not started then return nil, err end
  local _ <close> = task.scope()
  task.spawn(function()
    started.ended:wait()
    done:set(false)
  end)
  local ok = done:wait()
  if not ok then
    local _, failure = started:wait()
    return nil, failure
  end
  ok, err = written()
  started.process:close_input()
  if not ok then return nil, err end
  ok, err = started:wait()
  return ok and true, err
end

---@param store gantry.ImageStore
---@param temporary gantry.StoreTemporary
---@param id string
---@return string[]
local function place(store, temporary, id)
  return { store.path, id:match "^sha256:(%x+)$", temporary.path }
end

---Unpacks layers.
---@param store gantry.ImageStore
---@param temporary gantry.StoreTemporary
---@param image { id: string, layers: { path: string, digest: string, diff_id: string }[], bounds: table }
---@param handlers gantry.UnpackHandlers
---@param written fun(): boolean?, gantry.Error?
---@return boolean? ok, gantry.Error? err
function unpack.image(store, temporary, image, handlers, written)
  local arguments = place(store, temporary, image.id)
  arguments[#arguments + 1] = ("%d"):format(image.bounds.entries)
  arguments[#arguments + 1] = ("%d"):format(image.bounds.bytes)
  for _, layer in ipairs(image.layers) do
    arguments[#arguments + 1] = layer.path
    arguments[#arguments + 1] = layer.digest:match "%x+$"
    arguments[#arguments + 1] = layer.diff_id:match "%x+$"
  end
  return run("image", arguments, handlers, written)
end

---Makes an image of one program.
---@param store gantry.ImageStore
---@param temporary gantry.StoreTemporary
---@param program { id: string, path: string, sha256: string }
---@param written fun(): boolean?, gantry.Error?
---@return boolean? ok, gantry.Error? err FILE_CHANGED where the file is another one by now
function unpack.program(store, temporary, program, written)
  local arguments = place(store, temporary, program.id)
  arguments[#arguments + 1] = program.path
  arguments[#arguments + 1] = program.sha256
  return run("program", arguments, {}, written)
end

---Takes an image out of the store.
---@param store gantry.ImageStore
---@param id string
---@return boolean? removed false where it is not there, gantry.Error? err IN_USE
function unpack.remove(store, id)
  local temporary <close>, err = store:temporary()
  if not temporary then return nil, err end
  local ok, failure = work.run("remove", { store.path, id:match "^sha256:(%x+)$", temporary.path })
  if ok then return true end
  if failure.code == "NOT_FOUND" then return false end
  return nil, failure
end

return unpack

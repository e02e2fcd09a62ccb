-- SPDX-License-Identifier: Apache-2.0
--
--- engine/images.lua: what a client of the Docker Engine API does with images. Every method waits and fails as those of
--- engine/docker.lua, whose client has them.

local answers = require "gantry.engine.answer"
local errors = require "gantry.base.errors"

---@class gantry.Engine
local Images = {}

---@param reference string name, name:tag, name@digest or id
---@return table? image the engine's inspect
---@return gantry.Error?
function Images:inspect_image(reference)
  local image, err = self:call("GET", "/images/" .. reference .. "/json", { action = "look up image " .. reference,
    type = answers.types.image })
  if not image and err.status == 404 then
    return nil, errors.new("IMAGE_NOT_FOUND", ("image %s is not on the engine at %s; pull or build it first "
      .. "(docker pull %s), or set pull = \"missing\" in the policy"):format(reference, self.endpoint.name, reference),
      { status = 404 })
  end
  return image, err
end

---Gives the engine an image.
---@param source userdata the archive, of gantry.core.digest
---@param action string
---@return boolean? loaded, gantry.Error? err also with the code of what the source failed with
function Images:load_image(source, action)
  local reason
  local ok, err = self:stream("POST", "/images/load?quiet=1", { action = action, source = source,
    headers = { "Content-Type: application/x-tar" },
    on_value = function(value) reason = answers.failure(value) or reason end })
  if not ok then return nil, err end
  if reason then return nil, errors.new("ENGINE_ERROR", ("%s: the engine says: %s"):format(action, reason)) end
  return true
end

---Takes an image's name away, and the image with its last one. One that is gone already is a success.
---@param reference string
---@return boolean? removed false when it was gone
---@return gantry.Error? err of status 409 while a container uses it
function Images:remove_image(reference)
  local answer, err = self:call("DELETE", "/images/" .. reference, { action = "remove image " .. reference,
    type = answers.types.removed })
  if answer then return true end
  if err.status == 404 then return false end
  return nil, err
end

return Images

-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/images.lua: what a client of the Docker Engine API does with images.

local answers = require "gantry.engine.docker.answer"
local later = require "gantry.base.later"
local binary_image = later "gantry.engine.binary_image"
local c_module = require "gantry.base.c_module"
local errors = require "gantry.base.errors"
local pull = later "gantry.engine.docker.pull"
local records = require "gantry.engine.docker.records"

---@class gantry.DockerClient
local Images = {}

---@param reference string name, name:tag, name@digest or id
---@return gantry.EngineImage?, gantry.Error?
function Images:image(reference)
  local image, err = self:call("GET", "/images/" .. reference .. "/json", { action = "look up image " .. reference,
    type = answers.types.image })
  if image then return records.image(image) end
  if err.status ~= 404 then return nil, err end
  return nil, errors.new("IMAGE_NOT_FOUND", ("image %s is not on the engine at %s; pull or build it first "
    .. "(docker pull %s), or set pull = \"missing\" in the policy"):format(reference, self.endpoint.name, reference),
    { status = 404 })
end

---@return gantry.EngineImageSummary[]?, gantry.Error?
function Images:images()
  local listed, err = self:call("GET", "/images/json", { action = "list images", type = answers.types.images })
  if not listed then return nil, err end
  local images = {}
  for i, one in ipairs(listed) do images[i] = records.listed_image(one) end
  return images
end

---@param reference string
---@param options { environment: table<string, string>?, on_message: fun(message: gantry.PullMessage)? }?
---@return boolean? pulled, gantry.Error? err
function Images:pull(reference, options)
  return pull.run(self, reference, options)
end

---@param self gantry.DockerClient
---@param source userdata the archive, of gantry.core.digest
---@param action string
---@return boolean? loaded, gantry.Error? err also with the code of what the source failed with
local function load(self, source, action)
  local reason
  local ok, err = self:stream("POST", "/images/load?quiet=1", { action = action, source = source,
    headers = { "Content-Type: application/x-tar" },
    on_value = function(value) reason = answers.failure(value) or reason end })
  if not ok then return nil, err end
  if reason then return nil, errors.new("ENGINE_ERROR", ("%s: the engine says: %s"):format(action, reason)) end
  return true
end

---@param binary gantry.Binary
---@return boolean? loaded, gantry.Error? err
function Images:load_binary(binary)
  local module, missing = c_module.load "digest"
  if not module then return nil, missing end
  local before, after = binary_image.archive(binary)
  local body, err = module.body { before = before, file = binary.file, size = binary.size, sha256 = binary.sha256,
    after = after }
  if not body then return nil, err end
  return load(self, body, "load binary " .. binary.path)
end

---@return nil, gantry.Error err
function Images:load_archive()
  return nil, errors.new("ENGINE_UNSUPPORTED", ("load an archive of images: %s does that with a command of its own: "
    .. "%s load"):format(self.endpoint.name, self.kind))
end

---@return string command
function Images:load_command()
  return ("docker -H %s load"):format(self.endpoint.name)
end

---The engine has means of its own for such (docker image prune).
---@return gantry.UnnamedImage[] found
function Images.unnamed_images() return {} end

---@return boolean removed
function Images.discard_image() return false end

---@param reference string
---@return boolean? removed, gantry.Error? err
function Images:remove_image(reference)
  local answer, err = self:call("DELETE", "/images/" .. reference, { action = "remove image " .. reference,
    type = answers.types.removed })
  if answer then return true end
  if err.status == 404 then return false end
  return nil, err
end

return { methods = Images }

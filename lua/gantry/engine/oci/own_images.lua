-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/own_images.lua: the engine's images are those of gantry's own store.

---@class gantry.OciClient
---@field store gantry.OciImages
local OwnImages = {}

---@param reference string
---@return gantry.StoredImage? image, gantry.Error? err IMAGE_NOT_FOUND
function OwnImages:image(reference)
  return self.store:image(reference)
end

---@return gantry.EngineImageSummary[] images
function OwnImages:images()
  return self.store:list()
end

---@param reference string
---@param options { environment: table<string, string>?, on_message: fun(message: gantry.PullMessage)? }?
---@return boolean? pulled, gantry.Error? err
function OwnImages:pull(reference, options)
  return self.store:pull(reference, options)
end

---@param binary gantry.Binary
---@return gantry.StoredImage? image, gantry.Error? err
function OwnImages:load_binary(binary)
  return self.store:load_binary(binary)
end

---@param path string? standard input where nil
---@param options { on_message: fun(message: gantry.PullMessage)? }?
---@return { id: string, references: string[] }[]? loaded, gantry.Error? err
function OwnImages:load_archive(path, options)
  return self.store:load_archive(path, options)
end

---@return string command
function OwnImages:load_command()
  return "gantry image load --engine " .. self.endpoint.name
end

---@return gantry.UnnamedImage[] found
function OwnImages:unnamed_images()
  return self.store:unnamed()
end

---@param one gantry.UnnamedImage
---@return boolean? removed, gantry.Error? err
function OwnImages:discard_image(one)
  return self.store:discard(one)
end

---@param reference string
---@return boolean? removed, gantry.Error? err CONFLICT
function OwnImages:remove_image(reference)
  return self.store:remove(reference)
end

return { methods = OwnImages }

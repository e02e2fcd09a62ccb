-- SPDX-License-Identifier: Apache-2.0
--
--- pod/image.lua: the image of a sidecar and what its gate is to start: a pod's container names its whole command, so
--- that the image's own has to be known here.

local find_image = require "gantry.plugin.find_image"
local image_name = require "gantry.base.image"

local image = {}

---@param config gantry.Config
---@return string with a tag or a digest
local function reference_of(config)
  return config.tag and config.image .. ":" .. config.tag or config.image
end

---The image as an engine has it.
---@param config gantry.Config
---@param engine gantry.EngineClient
---@return gantry.EngineImage? found, gantry.Error? err
local function look_up(config, engine)
  local asked = { config = config, engine = engine, options = {}, event = function() end }
  local ok, err = find_image.look_up(asked)
  if not ok then return nil, err end
  return asked.image
end

---@param sidecar gantry.Sidecar
---@return boolean whether a digest is still to be found for the policy's pin
local function needs_pin(sidecar)
  local config = sidecar.config
  return config.sha256 ~= nil and not sidecar.without.sha256 and not image_name.parse(config.image).digest
end

---A pin holds in a pod where it is the digest that registries know the image by.
---@param sidecar gantry.Sidecar
---@param found gantry.EngineImage? on the engine, where it is the pinned one
local function pin(sidecar, found)
  local container = sidecar.container
  container.image = reference_of(sidecar.config)
  if not needs_pin(sidecar) then return end
  local digest = found and found.digests[1]
  if digest then
    container.image = digest
    return
  end
  sidecar:refuse("sha256", "it pins the image's configuration, and Kubernetes knows an image by its manifest alone, of "
    .. "which no registry has told this engine; name that in image (NAME@sha256:…), or leave the pin out with "
    .. "--without sha256")
end

---@param list string[]?
---@return boolean
local function has(list) return list ~= nil and #list > 0 end

---Sets the image of a sidecar, and the program that its gate starts.
---@param sidecar gantry.Sidecar
---@param connect fun(): gantry.EngineClient?, gantry.Error? called where only an engine can tell
---@return boolean? ok, gantry.Error? err
function image.settle(sidecar, connect)
  local config, found = sidecar.config, nil
  if config.binary then return true end -- which a field's rule refuses
  if not has(config.entrypoint) or needs_pin(sidecar) then
    local engine, err = connect()
    if engine then found, err = look_up(config, engine) end
    if not found then
      if not has(config.entrypoint) then
        sidecar:refuse("entrypoint", ("a gate starts the plugin in the place of the image's own entrypoint, which has "
          .. "to be known here; set it, or export where an engine has the image (%s)"):format(err.message))
        return true
      elseif err.code == "IMAGE_PIN_MISMATCH" then
        return nil, err
      end
    end
  end
  pin(sidecar, found)
  local program = {}
  local arguments = config.args or not has(config.entrypoint) and found and found.command or {}
  for _, part in ipairs { config.entrypoint or found and found.entrypoint or {}, arguments } do
    table.move(part, 1, #part, #program + 1, program)
  end
  sidecar.program = program
  return true
end

return image

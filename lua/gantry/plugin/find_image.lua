-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/find_image.lua: the first step of a launch: the image is on the engine, pulled where the policy says so, and
--- is the pinned one.

local later = require "gantry.base.later"
local elsewhere = later "gantry.engine.elsewhere"
local errors = require "gantry.base.errors"
local image_name = require "gantry.base.image"

local find_image = {}

---@param config gantry.Config
---@return string reference with a tag or digest, or an id
local function image_reference(config)
  if config.tag then return config.image .. ":" .. config.tag end
  local parts = image_name.parse(config.image)
  if parts.tag or parts.digest or parts.id then return config.image end
  return config.image .. ":latest"
end

---@param image gantry.EngineImage
---@param pin string 64 hex digits
---@return boolean
local function pinned(image, pin)
  if image.id == "sha256:" .. pin then return true end
  for _, digest in ipairs(image.digests) do
    if digest:sub(-#pin - 8) == "@sha256:" .. pin then return true end
  end
  return false
end

---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
local function fetch(plugin)
  plugin:event("pulling", { reference = plugin.reference })
  local ok, err = plugin.engine:pull(plugin.reference, {
    environment = plugin.options.environment,
    on_message = function(message) plugin:event("pull", message) end,
  })
  plugin:event("pulled", { reference = plugin.reference, error = err })
  return ok, err
end

---@param plugin gantry.Plugin
---@return gantry.Error
local function pin_error(plugin)
  local image = plugin.image
  local digests = table.concat(image.digests, ", ")
  return errors.new("IMAGE_PIN_MISMATCH",
    ("image %s is not the pinned one: the policy says sha256:%s, the engine has "
    .. "%s%s; pull the pinned image or change the policy's sha256"):format(plugin.reference, plugin.config.sha256,
    image.id, digests ~= "" and " (" .. digests .. ")" or ""))
end

---@param list string[]?
---@return string[]? list nil where it is empty
local function some(list)
  return list and #list > 0 and list or nil
end

---What matters of an image as long as its plugin lives.
---@param image gantry.EngineImage
---@return gantry.EngineImage
local function essence(image)
  return { id = image.id, digests = image.digests, size = image.size, entrypoint = some(image.entrypoint),
    command = some(image.command), working_dir = image.working_dir, user = image.user,
    stop_signal = image.stop_signal, volumes = image.volumes }
end

---Loaded for policies that name a binary alone.
local function find_binary() return require "gantry.plugin.find_binary" end

---@param plugin gantry.Plugin whose image the engine lacks
---@return gantry.Error?
local function elsewhere_error(plugin)
  local engine, reference = plugin.engine, plugin.reference
  local other = elsewhere.find(engine, reference, plugin.options.environment)
  return other and errors.new("IMAGE_NOT_FOUND", ("image %s is not on the engine at %s, but on that at %s; name that "
    .. "one with --engine or DOCKER_HOST, or copy it: docker -H %s save %s | %s"):format(reference,
    engine.endpoint.name, other, other, reference, engine:load_command()), { status = 404 })
end

---@param config gantry.Config
---@param image gantry.EngineImage
---@return boolean
local function names_program(config, image)
  if not image.entrypoint then return true end -- who does not tell is believed
  for _, command in ipairs { config.entrypoint or false, config.args or false, image.entrypoint,
    image.command or false } do
    if command and #command > 0 then return true end
  end
  return false
end

---Looks an image, or a binary, up and holds it against the pin; nothing is pulled.
---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function find_image.look_up(plugin)
  local config = plugin.config
  if config.binary then return find_binary().look_up(plugin) end
  plugin.reference = image_reference(config)
  local image, err = plugin.engine:image(plugin.reference, config.sha256)
  if not image then return nil, err end
  plugin.image = image
  if config.sha256 and not pinned(image, config.sha256) then return nil, pin_error(plugin) end
  if not names_program(config, image) then
    return nil, errors.new("IMAGE_NO_ENTRYPOINT", ("image %s names no program to run (ENTRYPOINT or CMD); set "
      .. "entrypoint = { \"/path/in/the/image\" } in the policy"):format(plugin.reference))
  end
  plugin.image = essence(image)
  plugin:event("image", { reference = plugin.reference, id = image.id })
  return true
end

---@param plugin gantry.Plugin
---@return boolean? ok, gantry.Error? err
function find_image.run(plugin)
  if plugin.config.binary then return find_binary().run(plugin) end
  local how = plugin.config.pull
  local has_name = image_name.parse(plugin.config.image).name ~= nil
  if how == "always" and has_name then
    plugin.reference = image_reference(plugin.config)
    local ok, err = fetch(plugin)
    if not ok then return nil, err end
  end
  local ok, err = find_image.look_up(plugin)
  if ok or err.code ~= "IMAGE_NOT_FOUND" then return ok, err end
  if how ~= "missing" or not has_name then return nil, elsewhere_error(plugin) or err end
  ok, err = fetch(plugin)
  if not ok then return nil, err end
  return find_image.look_up(plugin)
end

return find_image

-- SPDX-License-Identifier: Apache-2.0
--
--- base/image.lua: names of images, as engines read them: [registry[:port]/]path[:tag][@digest], or an image's id.

local words = require "gantry.base.words"

local image = {}

local EXAMPLE <const> = "must be an image such as registry.example:5000/name, got %s"
local LONGEST_NAME <const>, LONGEST_TAG <const>, MAX_PORT <const> = 255, 128, 65535

---@param text string
---@param detail string?
---@return nil, string reason
local function refuse(text, detail)
  return nil, EXAMPLE:format(words.show(text)) .. (detail and " (" .. detail .. ")" or "")
end

---@param tag string
---@return boolean
function image.is_tag(tag)
  return #tag <= LONGEST_TAG and tag:find("^[%w_][%w_.-]*$") ~= nil
end

---The registry of a name: its first part, where that looks like a host's by Docker's own rule.
---@param name string
---@return string? registry host[:port]; nil where the name has none, which is Docker's own registry
---@return string path of the image there
function image.registry(name)
  local first, rest = name:match("^([^/]+)/(.+)$")
  if first and (first == "localhost" or first:find("[.:%u]")) then return first, rest end
  return nil, name
end

---@param registry string
---@return boolean
local function is_address(registry)
  for _, pattern in ipairs { "^[%w.-]+$", "^[%w.-]+:(%d+)$", "^%[[%x:]+%]$", "^%[[%x:]+%]:(%d+)$" } do
    local found, _, port = registry:find(pattern)
    if found then return not port or #port < 6 and tonumber(port) >= 1 and tonumber(port) <= MAX_PORT end
  end
  return false
end

---@param digest string
---@return boolean
local function is_digest(digest)
  local kind, digits = digest:match("^(sha%d+):(%x+)$")
  return kind == "sha256" and #digits == 64 or kind == "sha512" and #digits == 128
end

---@param name string without tag and digest
---@return string? problem
local function problem_of_name(name)
  if #name > LONGEST_NAME then return ("its name is longer than %d bytes"):format(LONGEST_NAME) end
  local registry, path = image.registry(name)
  if registry and not is_address(registry) then return ("'%s' is not a registry's address"):format(registry) end
  if path:find("%u") then return "only the registry may have capital letters" end
  for part in (path .. "/"):gmatch("([^/]*)/") do
    if not part:find("^[%l%d][%l%d._-]*$") or part:find("[._-]$") then
      return ("'%s' is not a valid part"):format(part)
    end
  end
end

---Takes a name of an image apart.
---@param text string
---@return { name: string?, tag: string?, digest: string?, id: string? }? parts
---@return string? reason a predicate: "must not be empty"
function image.parse(text)
  if text == "" then return nil, "must not be empty" end
  if #text == 71 and text:find("^sha256:%x+$") then return { id = text } end
  local rest, digest = text:match("^(.-)@(.*)$")
  rest = rest or text
  if digest and not is_digest(digest) then return refuse(text, "its digest is not sha256: with 64 hex digits") end
  local name, tag = rest:match("^(.*):([^/]*)$")
  name = name or rest
  if tag and not image.is_tag(tag) then return refuse(text, ("'%s' is not a valid tag"):format(tag)) end
  local problem = problem_of_name(name)
  if problem then return refuse(text, problem) end
  return { name = name, tag = tag, digest = digest }
end

---What the last part of an image's name calls a plugin that has no other name.
---@param text string
---@return string? name
function image.short_name(text)
  local parts = image.parse(text)
  return parts and parts.name and parts.name:match("[^/]+$")
end

return image

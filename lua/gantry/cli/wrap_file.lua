-- SPDX-License-Identifier: Apache-2.0
--
--- cli/wrap_file.lua: one plugin's binary, wrapped and unwrapped.

local binary = require "gantry.plugin.binary"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local sha256 = require "gantry.base.sha256"
local state_dir = require "gantry.place.state_dir"
local wrapped_policy = require "gantry.cli.wrapped_policy"
local wrapping = require "gantry.cli.wrapping"

local wrap_file = {}

-- Bytes that tell what a file is; bytes that are searched at once, and the longest of what is searched for.
local HEAD <const>, PIECE <const>, OVERLAP <const> = 256, 1024 * 1024, 64
-- In every plugin of go-plugin and of Packer's SDK, whose servers read these variables.
local SIGNS <const> = { "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_MIN_PORT", "PACKER_PLUGIN_MAGIC_COOKIE",
  "PLUGIN_UNIX_SOCKET_DIR" }
local LARGEST_POLICY <const> = 1024 * 1024

---@class gantry.Wrapped
---@field path string without links
---@field done "wrapped"|"already wrapped"|"unwrapped"|"not wrapped"
---@field binary string? where the binary is
---@field sha256 string? the binary's
---@field policy_sha256 string? the policy's
---@field notes string[] for people

---@param code string
---@param path string
---@param text string
---@return nil, gantry.Error
local function refuse(code, path, text)
  return nil, errors.new(code, path .. ": " .. text)
end

---@param path string
---@return "binary"|"policy"|"other"|nil kind, table? status
local function kind_of(path)
  local file <close>, status = core.files.open(path)
  if not file then return nil end
  local head = status.type == "file" and file:read(0, HEAD) or ""
  if head:sub(1, 4) == "\127ELF" then return "binary", status end
  return wrapped_policy.is_policy(head) and "policy" or "other", status
end

---The path that is meant: links lead to it, and what is in its folder may be all that is left of it.
---@param path string
---@return string
local function real(path)
  local found = core.system.real_path(path)
  if found then return found end
  local folder, name = path:match "^(.*)/([^/]*)$"
  folder = core.system.real_path(folder == nil and "." or folder == "" and "/" or folder)
  return folder and ("%s/%s"):format(folder == "/" and "" or folder, name or path) or path
end

---@param found gantry.Binary
---@return boolean whether something in it says that it is a plugin
local function has_sign(found)
  local before = ""
  for at = 0, found.size - 1, PIECE do
    local bytes = before .. (found.file:read(at, PIECE) or "")
    for _, sign in ipairs(SIGNS) do
      if bytes:find(sign, 1, true) then return true end
    end
    before = bytes:sub(-OVERLAP)
  end
  return false
end

---@param path string
---@return string? note on what runs of it now
local function running(path)
  local pids = {}
  for _, entry in ipairs(core.files.list "/proc" or {}) do
    if entry:find "^%d+$" and core.system.link_target("/proc/" .. entry .. "/exe") == path then
      pids[#pids + 1] = entry
    end
  end
  if #pids == 0 then return nil end
  return ("it is running (process %s), and goes on as it is until its host starts it anew"):format(
    table.concat(pids, ", "))
end

---@param path string
---@param status table
---@param found gantry.Binary
---@param force boolean?
---@return boolean? ok, gantry.Error? err
local function check(path, status, found, force)
  if status.uid ~= core.system.euid() and core.system.euid() ~= 0 then
    return refuse("WRAP_FOREIGN", path, ("belongs to user %d, whose the policy would have to be; run gantry as that "
      .. "user, or as root"):format(status.uid))
  elseif not wrapping.has_room(path) then
    return refuse("WRAP_FOREIGN", path, "its name leaves no room for another one beside it; give it a shorter one")
  elseif path == core.system.link_target "/proc/self/exe" then
    return refuse("WRAP_NOT_A_PLUGIN", path, "is gantry itself, which executes what is put in a plugin's place")
  elseif not force and not has_sign(found) then
    return refuse("WRAP_NOT_A_PLUGIN", path, "nothing in it says that it is a plugin; if it is one all the same, "
      .. "add --force")
  end
  return true
end

---@param file userdata
---@param path string
---@return boolean whether that is this file
local function is_same(file, path)
  local other <close> = core.files.open(path)
  local inode <const> = "^%d+ %d+ "
  return other ~= nil and file:stamp():match(inode) == other:stamp():match(inode)
end

---@param path string
---@param found gantry.Binary
---@param options { host: gantry.WrapHost?, linked: boolean? }
---@return string text of the policy that takes its place
local function text_of(path, found, options)
  local kept = wrapping.kept(path)
  -- A policy that is executed by a link is in the link's folder, as far as its paths are concerned.
  return wrapped_policy.text { name = path:match "[^/]*$", kept = options.linked and kept or kept:match "[^/]*$",
    sha256 = found.sha256, dynamic = found.elf.interpreter ~= nil, lines = options.host and options.host.lines or {},
    pass_env = options.host and options.host.pass_env or {} }
end

---@param path string
---@param status table
---@param options { host: gantry.WrapHost?, force: boolean?, linked: boolean? }
---@return gantry.Wrapped? result, gantry.Error? err
local function wrap_binary(path, status, options)
  local found <close>, err = binary.open({ binary = path, libraries = true }, {})
  if not found then return nil, err end
  local ok, unfit = check(path, status, found, options.force)
  if not ok then return nil, unfit end
  local kept = wrapping.kept(path)
  local text = text_of(path, found, options)
  local notes = { running(path) }
  if wrapping.is_kept(path) and not wrapping.is_half_way(path) then
    notes[#notes + 1] = "takes the place of what an earlier wrap had kept"
  end
  local swapped, unswapped = wrapping.swap(path, text, status)
  if not swapped then return nil, unswapped end
  if not is_same(found.file, kept) then -- by somebody who knows of no lock
    local restored, lost = wrapping.restore(path)
    if not restored then return nil, lost end
    return refuse("WRAP_CHANGED", path, "was replaced by another file meanwhile; try again")
  end
  return { path = path, done = "wrapped", binary = kept, sha256 = found.sha256, policy_sha256 = sha256(text),
    notes = notes }
end

---@param path string of a policy
---@return gantry.Wrapped? result, gantry.Error? err
local function already(path)
  if not wrapping.is_kept(path) then
    return refuse("WRAP_IS_POLICY", path, "is a policy of gantry's, and no binary is kept beside it")
  end
  local text = core.files.read(path, LARGEST_POLICY) or ""
  return { path = path, done = "already wrapped", binary = wrapping.kept(path), policy_sha256 = sha256(text),
    notes = {} }
end

---Puts a policy in the place of a plugin's binary, which is kept beside it.
---@param given string
---@param options { host: gantry.WrapHost?, force: boolean? } host: whose needs the policy is to meet
---@return gantry.Wrapped? result, gantry.Error? err
function wrap_file.wrap(given, options)
  local path = real(given)
  options.linked = core.system.link_target(given) ~= nil
  local lock <close>, busy = wrapping.lock(path)
  if not lock then return nil, busy end
  local kind, status = kind_of(path)
  if kind == "policy" then return already(path) end
  if not kind and wrapping.is_kept(path) then
    return refuse("WRAP_GONE", path, ("is not there, but its binary is, as %s; `gantry unwrap` puts it back"):format(
      wrapping.kept(path)))
  end
  return wrap_binary(path, status, options)
end

---@param path string
---@param text string of the policy there
---@param options { host: gantry.WrapHost?, linked: boolean? }
---@return boolean whether it is as a wrap writes it
local function is_as_written(path, text, options)
  local kept = wrapping.kept(path)
  local found <close> = binary.open({ binary = kept, libraries = true }, {})
  return found ~= nil and text == text_of(path, found, options)
end

---A policy that somebody has made his own is not thrown away.
---@param path string
---@param options { host: gantry.WrapHost?, linked: boolean? }
---@return string? note, gantry.Error? err
local function save_policy(path, options)
  local text = core.files.read(path, LARGEST_POLICY)
  if not text or is_as_written(path, text, options) then return nil end
  local saved = ("%s/unwrapped/%s-%s.lua"):format(state_dir.path(), path:match "[^/]*$", sha256(text):sub(1, 12))
  local ok, err = state_dir.write(saved, text)
  if not ok then return nil, err end
  return "its policy is saved as " .. saved
end

---Puts a binary back in its place.
---@param given string
---@param options { host: gantry.WrapHost? } with which it was wrapped
---@return gantry.Wrapped? result, gantry.Error? err
function wrap_file.unwrap(given, options)
  local path = real(given)
  options.linked = core.system.link_target(given) ~= nil
  local lock <close>, busy = wrapping.lock(path)
  if not lock then return nil, busy end
  local kind, kept = kind_of(path), wrapping.is_kept(path)
  wrapping.clean(path)
  if kind == "binary" and not wrapping.is_half_way(path) then -- the host may have put another one there
    return { path = path, done = "not wrapped", notes = {
      kept and ("%s is of an earlier wrap, and may be removed"):format(wrapping.kept(path)) or nil } }
  elseif kind == "other" then
    return refuse("WRAP_NOT_A_PLUGIN", path, "is neither a binary nor a policy of gantry's")
  elseif not kept then
    return refuse("WRAP_GONE", path, kind and "is a policy of gantry's, and no binary is kept beside it"
      or "is not there, and no binary is kept for it")
  end
  local note, unsaved
  if kind == "policy" then note, unsaved = save_policy(path, options) end
  if unsaved then return nil, unsaved end
  local ok, err = wrapping.restore(path)
  if not ok then return nil, err end
  return { path = path, done = kind == "binary" and "not wrapped" or "unwrapped", binary = path, notes = { note } }
end

return wrap_file

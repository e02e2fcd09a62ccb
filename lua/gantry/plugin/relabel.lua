-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/relabel.lua: what a plugin may open where the engine has SELinux label its containers: its socket directory
--- gets a label that they share, and whatever else the policy says so of. Nothing else is relabelled, for that lasts:
--- a home or /etc with a container's label is lost to the rest of the machine.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local hardening = require "gantry.engine.hardening"

local relabel = {}

---@param path string
---@return gantry.Error? err
local function check_path(path)
  if not path:find(":", 1, true) then return nil end
  return errors.new("RELABEL_PATH", ("%s: the engine can give no SELinux label to a path with a colon in it; choose "
    .. "another one"):format(path))
end

---A source that is missing would be made, as root's.
---@param config gantry.Config
---@return gantry.Error? err
local function check_mounts(config)
  for _, mount in ipairs(config.mounts or {}) do
    local err = mount.relabel and (check_path(mount.source) or check_path(mount.target))
    if err then return err end
    if mount.relabel and not core.system.stat(mount.source) then
      return errors.new("MOUNT_SOURCE_MISSING", ("mounts: %s does not exist on this machine; make it, or correct the "
        .. "policy"):format(mount.source))
    end
  end
end

---Whether the socket directory is one that we made, or that its host made for this plugin: nothing else is in it.
---@param plugin gantry.Plugin
---@param path string
---@return boolean
local function is_own(plugin, path)
  return not plugin.foreign_directory or #(core.files.list(path) or {}) == 0
end

---What the policy shares of the host's, which is never relabelled, and its containers may not open.
---@param plugin gantry.Plugin
---@param shared table[] folders of the host at their own paths
---@return string? warning
function relabel.warning(plugin, shared)
  for _, option in ipairs(plugin.config.security_opt or {}) do
    if option:find "^label[=:]" then return nil end
  end
  if not shared[1] then return nil end
  return ("SELinux lets no container open %s, unless it has a container's label: security_opt = { \"label=disable\" } "
    .. "in the policy takes the plugin out of that"):format(shared[1].source)
end

---@param plugin gantry.Plugin
---@param path string of the socket directory
---@return { selinux: boolean, relabel: boolean }? facts of gantry.engine.container, gantry.Error? err
function relabel.facts(plugin, path)
  local found, err = hardening.of(plugin.engine)
  if not found then return nil, err end
  if not found.selinux then return { selinux = false, relabel = false } end
  local wrong = check_path(path) or check_mounts(plugin.config)
  if wrong then return nil, wrong end
  return { selinux = true, relabel = is_own(plugin, path) }
end

return relabel

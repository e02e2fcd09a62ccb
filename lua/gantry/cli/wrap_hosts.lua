-- SPDX-License-Identifier: Apache-2.0
--
--- cli/wrap_hosts.lua: where hosts keep their plugins, what these need of their policies there, and what else a host
--- knows of a plugin's file: checksums, which have to be those of the policy, and signatures, which cannot be.

local core = require "gantry.core"
local elf = require "gantry.base.elf"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local lock_file = require "gantry.cli.lock_file"
local sha256 = require "gantry.base.sha256"
local state_dir = require "gantry.place.state_dir"
local types = require "gantry.base.types"
local wrapping = require "gantry.cli.wrapping"

local wrap_hosts = {}

local LARGEST_FILE <const> = 4 * 1024 * 1024
local CWD <const> = '  cwd = "rw", -- the folder that the host is started in'

---@class gantry.WrapItem
---@field path string
---@field address string? OpenTofu's name of the provider
---@field package string? its folder
---@field lock string? the lock file that knows it

---@class gantry.WrapHost
---@field title string
---@field flags string
---@field where string what PATH is, for the help
---@field lines string[] of a policy
---@field pass_env string[]? of a policy, quoted
---@field folders fun(environment: table<string, string>): string[] where nobody names one
---@field find fun(folder: string): gantry.WrapItem[]
---@field hint string where nothing is found
---@field settle fun(item: gantry.WrapItem, result: gantry.Wrapped): boolean?, gantry.Error? adds notes

---The names in a folder, also of those that are only kept.
---@param folder string
---@return string[] sorted
local function names_in(folder)
  local list, seen = {}, {}
  for _, name in ipairs(core.files.list(folder) or {}) do
    local meant = wrapping.kept_for(name) or name
    if not seen[meant] then list[#list + 1] = meant end
    seen[meant] = true
  end
  table.sort(list)
  return list
end

---@return string this machine's processor as Go has it
local function architecture()
  local file <close> = assert(core.files.open "/proc/self/exe")
  return elf.read(file).architecture
end

---Replaces a file whose content depends on the plugin's.
---@param path string
---@param change fun(text: string): string?, gantry.Error?
---@return boolean? ok, gantry.Error? err
local function edit(path, change)
  local text, status = core.files.read(path, LARGEST_FILE)
  if not text then return nil, status end
  local changed, err = change(text)
  if not changed then return nil, err end
  if changed == text then return true end
  return wrapping.put(path, changed, status)
end

-- ---- OpenTofu, Terraform ----

---Goes down a tree of providers: HOST/NAMESPACE/TYPE/VERSION/linux_ARCHITECTURE/terraform-provider-TYPE….
---@param found gantry.WrapItem[]
---@param folder string
---@param parts string[]
---@param lock string?
local function walk_providers(found, folder, parts, lock)
  for _, name in ipairs(names_in(folder)) do
    local path = folder .. "/" .. name
    if #parts < 5 then
      local right = #parts < 4 and (#parts > 0 or name:find ".%." or name == "localhost")
        or name == "linux_" .. architecture()
      local status = right and not name:find "^%." and core.system.stat(path)
      if status and status.type == "directory" then
        local deeper = table.move(parts, 1, #parts, 1, {})
        deeper[#deeper + 1] = name
        walk_providers(found, path, deeper, lock)
      end
    elseif name:find("terraform-provider-" .. parts[3], 1, true) == 1 then
      found[#found + 1] = { path = path, address = table.concat(parts, "/", 1, 3), package = folder, lock = lock }
    end
  end
end

---@param folder string a working directory, or a mirror of providers
---@return gantry.WrapItem[]
local function find_providers(folder)
  local found = {}
  local data = core.system.environment().TF_DATA_DIR or ""
  local lock = folder .. "/.terraform.lock.hcl"
  data = data == "" and folder .. "/.terraform" or data:sub(1, 1) == "/" and data or folder .. "/" .. data
  walk_providers(found, data .. "/providers", {}, core.system.stat(lock) and lock or nil)
  walk_providers(found, folder .. "/terraform.d/plugins", {})
  walk_providers(found, folder, {})
  return found
end

---Where it is written down which of a lock file's checksums are ours: OpenTofu writes the file anew as it likes.
---@param item gantry.WrapItem
---@return string
local function record_of(item)
  return ("%s/wrapped/%s.json"):format(state_dir.path(), sha256(item.lock .. "\0" .. item.address))
end

---@param item gantry.WrapItem
---@return string[]
local function checksums_of(item)
  local list = json.decode(state_dir.read(record_of(item)) or "")
  return types.first_finding(types.list(types.text()), list, "it") or {}
end

---@param item gantry.WrapItem
---@param list string[]
---@return boolean? ok, gantry.Error? err
local function keep_checksums(item, list)
  if #list > 0 then return state_dir.write(record_of(item), json.line(json.array(list))) end
  os.remove(record_of(item))
  return true
end

---@param item gantry.WrapItem
---@param result gantry.Wrapped
local function settle_provider(item, result)
  local wrapped = result.done == "wrapped" or result.done == "already wrapped"
  local real = core.system.real_path(item.package)
  if real and real ~= item.package and result.done == "wrapped" then
    result.notes[#result.notes + 1] = "its package is in " .. real .. ", and wrapped for all who use that one"
  end
  if not item.lock then return true end
  local lock <close>, busy = wrapping.lock(item.lock)
  if not lock then return nil, busy end
  local ours, checksum = checksums_of(item), nil
  if wrapped then
    local found, err = lock_file.checksum(item.package)
    if not found then return nil, err end
    checksum = found
    -- Before the lock file has it: nobody could tell it from those of others.
    local kept, unkept = keep_checksums(item, { checksum, table.unpack(ours) })
    if not kept then return nil, unkept end
  end
  local ok, failure = edit(item.lock, function(text)
    local without = lock_file.remove(text, item.address, ours)
    if not checksum then return without end
    return lock_file.add(without, item.address, checksum)
  end)
  if ok then ok, failure = keep_checksums(item, { checksum }) end
  if ok and result.done == "wrapped" then
    result.notes[#result.notes + 1] = item.lock .. " knows its checksum, until the policy is edited: wrap it again then"
  end
  return ok, failure
end

-- ---- Packer ----

---@param environment table<string, string>
---@return string[]
local function packer_folders(environment)
  local named = environment.PACKER_PLUGIN_PATH or ""
  if named ~= "" then return { named } end
  local config, home = environment.PACKER_CONFIG_DIR or "", environment.HOME or ""
  return { config ~= "" and config .. "/.config/packer/plugins" or home .. "/.config/packer/plugins" }
end

---@param folder string
---@param found gantry.WrapItem[]?
---@param depth integer?
---@return gantry.WrapItem[]
local function find_packer(folder, found, depth)
  found, depth = found or {}, depth or 4
  for _, name in ipairs(names_in(folder)) do
    local path = folder .. "/" .. name
    local status = core.system.stat(path)
    if status and status.type == "directory" and depth > 0 and not name:find "^%." then
      find_packer(path, found, depth - 1)
    elseif name:find "^packer%-plugin%-" and not name:find "_SHA256SUM$" then
      found[#found + 1] = { path = path }
    end
  end
  return found
end

---The file beside it that holds its checksum.
---@param item gantry.WrapItem
---@param result gantry.Wrapped
local function settle_packer(item, result)
  local sum = (core.system.real_path(item.path) or item.path) .. "_SHA256SUM"
  local lock <close>, busy = wrapping.lock(sum)
  if not lock then return nil, busy end
  wrapping.clean(sum)
  if not result.policy_sha256 then
    return not wrapping.is_kept(sum) or wrapping.restore(sum)
  end
  local text, status = core.files.read(sum, LARGEST_FILE)
  if not text then return true end
  local wanted, count = text:gsub(("%x"):rep(64), result.policy_sha256, 1)
  if count == 0 or wanted == text then return true end
  local ok, err
  if wrapping.is_kept(sum) and not wrapping.is_half_way(sum) then
    ok, err = wrapping.put(sum, wanted, status)
  else
    ok, err = wrapping.swap(sum, wanted, status)
  end
  if ok then
    result.notes[#result.notes + 1] = sum:match "[^/]*$" .. " has the policy's checksum, until the policy is edited: "
      .. "wrap it again then"
  end
  return ok, err
end

-- ---- Grafana ----

---@param folder string of one plugin
---@param found gantry.WrapItem[]
local function add_grafana(folder, found)
  local description = json.decode(core.files.read(folder .. "/plugin.json", LARGEST_FILE) or "")
  local program = type(description) == "table" and description.executable
  if type(program) ~= "string" or program:find("..", 1, true) or program:find("%c") then return end
  found[#found + 1] = { path = ("%s/%s_linux_%s"):format(folder, program, architecture()), package = folder,
    address = type(description.id) == "string" and description.id or folder:match "[^/]*$" }
end

---@param folder string of plugins, or of one
---@return gantry.WrapItem[]
local function find_grafana(folder)
  local found = {}
  add_grafana(folder, found)
  for _, name in ipairs(names_in(folder)) do
    for _, inner in ipairs { "", "/dist" } do add_grafana(folder .. "/" .. name .. inner, found) end
  end
  return found
end

---A signature is of the binary. Without one the plugin is unsigned, which its host may be told to accept.
---@param item gantry.WrapItem
---@param result gantry.Wrapped
local function settle_grafana(item, result)
  local manifest = item.package .. "/MANIFEST.txt"
  local lock <close>, busy = wrapping.lock(manifest)
  if not lock then return nil, busy end
  if not result.policy_sha256 then return not wrapping.is_kept(manifest) or wrapping.restore(manifest) end
  if not core.system.stat(manifest) then return true end
  local ok, err = wrapping.set_aside(manifest)
  if not ok then return nil, err end
  result.notes[#result.notes + 1] = ("its signature is that of the binary, and is set aside; in grafana.ini: "
    .. "[plugins] allow_loading_unsigned_plugins = %s"):format(item.address)
  return true
end

---@type gantry.WrapHost[]
wrap_hosts.list = {
  { title = "opentofu", flags = "--opentofu --terraform", lines = { CWD },
    where = "the providers of working directories, or of mirrors (default: .)",
    folders = function() return { "." } end, find = find_providers, settle = settle_provider,
    hint = "run tofu init first, or name a mirror of providers" },
  { title = "packer", flags = "--packer",
    lines = { CWD }, pass_env = { '"PACKER_RUN_UUID"', '"PACKER_CACHE_DIR"' },
    where = "the plugins below folders (default: $PACKER_PLUGIN_PATH, or ~/.config/packer/plugins)",
    folders = packer_folders, find = find_packer, settle = settle_packer,
    hint = "run packer init or packer plugins install first" },
  { title = "grafana", flags = "--grafana", lines = {},
    where = "the plugins below folders (default: $GF_PATHS_PLUGINS, or /var/lib/grafana/plugins)",
    folders = function(environment)
      local named = environment.GF_PATHS_PLUGINS or ""
      return { named ~= "" and named or "/var/lib/grafana/plugins" }
    end, find = find_grafana, settle = settle_grafana,
    hint = "name the folder of Grafana's plugins that have a backend" },
}

---The plugins below folders of a host.
---@param host gantry.WrapHost
---@param folders string[]
---@return gantry.WrapItem[]? items, gantry.Error? err
function wrap_hosts.find(host, folders)
  if #folders == 0 then folders = host.folders(core.system.environment()) end
  local items = {}
  for _, folder in ipairs(folders) do
    local found = host.find(core.system.real_path(folder) or folder)
    if #found == 0 then
      return nil, errors.new("WRAP_NOTHING", ("%s: no plugins of %s are there; %s"):format(folder, host.title,
        host.hint))
    end
    table.move(found, 1, #found, #items + 1, items)
  end
  return items
end

return wrap_hosts

-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/record.lua: what the state file of one plugin holds, and how it comes back.

local floors = require "gantry.restart.floors"
local policies = require "gantry.supervisor.policies"
local stats = require "gantry.supervisor.stats"
local version = require "gantry.base.version"

local record = {}

---What of a generation that became ready is needed to find it again; what its launch learned is in
---gantry.place.reattach_data.
---@param plugin gantry.Plugin
---@param running string? the digest of the policy that it was started with
---@return table
function record.live_of(plugin, running)
  return { container = plugin.container, root = plugin.root, directory = plugin.directory_name, ready = true,
    ready_ms = plugin.ready_ms, handshake_ms = plugin.handshake_ms,
    image_id = plugin.image and plugin.image.id, policy = running }
end

-- FNV-1a, 64 bits.
local OFFSET <const>, PRIME <const> = 0xcbf29ce484222325, 0x100000001b3

---@param text string
---@return integer
local function hash_of(text)
  local hash = OFFSET
  for byte in text:gmatch "." do hash = (hash ~ byte:byte()) * PRIME end
  return hash
end

-- Of configs: one that is in force is not changed any more.
local hashes = setmetatable({}, { __mode = "k" })

---A short name for what of a policy's config matters to a container, and for the state of the credentials that it is to
---be restarted for. Another gantry may have other defaults: digests of two versions say nothing of each other.
---@param config gantry.Config in force
---@return string
function record.digest(config)
  hashes[config] = hashes[config] or hash_of(policies.digest(config))
  local digest = ("%s:%016x"):format(version, hashes[config])
  local stamps = policies.credential_stamps(config)
  return stamps and ("%s:%016x"):format(digest, hash_of(stamps)) or digest
end

---Whether two digests differ in the state of credentials alone.
---@param left string
---@param right string
---@return boolean
function record.same_config(left, right)
  return left:match "^[^:]*:%x+" == right:match "^[^:]*:%x+"
end

---The digest of what was started, as a record has it, where it can be compared.
---@param digest string?
---@return string?
function record.comparable(digest)
  return digest and digest:sub(1, #version + 1) == version .. ":" and digest or nil
end

---@param unit gantry.Unit
---@return table record
function record.of(unit)
  return { policy = unit.policy.path, wanted = unit.wanted, verdict = unit.verdict, restart = unit.restart,
    due = unit.due, automatic = unit.automatic, live = unit.live, last_exit = unit.last_exit, decision = unit.decision,
    restarts = next(unit.counts.restarts) and unit.counts.restarts or nil, journal = unit.journal.entries,
    corpses = #unit.corpses > 0 and unit.corpses or nil }
end

---Time that passed since the record was written, where the monotonic clock began anew: by the wall clock, which may
---have been set back.
---@param state gantry.RestartState
---@param saved table
---@param boot string
local function settle_clock(state, saved, boot)
  if saved.boot == boot then return end
  state.seen = nil
  state.clock = state.clock + math.max(0, os.time() - (tonumber(saved.saved) or os.time()))
end

---@param unit gantry.Unit
---@param saved table
function record.restore(unit, saved)
  unit.wanted = saved.wanted == "down" and "down" or "up"
  unit.verdict = (saved.verdict == "failed" or saved.verdict == "ended") and saved.verdict or nil
  unit.restart, unit.due, unit.automatic = saved.restart, tonumber(saved.due), saved.automatic == true
  unit.live = type(saved.live) == "table" and type(saved.live.container) == "string" and saved.live or nil
  unit.last_exit = type(saved.last_exit) == "table" and saved.last_exit or nil
  unit.decision = type(saved.decision) == "table" and saved.decision or nil
  unit.corpses = saved.corpses or {}
  unit.counts = stats.counts(saved.restarts)
  -- What ran before this boot of the machine ended with the one before.
  unit.rebooted = type(saved.boot) == "string" and saved.boot ~= unit.supervisor.store.boot
  settle_clock(unit.restart, saved, unit.supervisor.store.boot)
  if unit.due then unit.due = math.min(unit.due, unit.restart.clock + floors.longest_delay) end
end

return record

-- SPDX-License-Identifier: Apache-2.0
--
--- config/policy_limits.lua: what the code of policies may use, of processor and memory.

return {
  -- Of loading a policy, and of one call into it that is no decision: some tenths of a second of pure Lua.
  load = { instructions = 20000000, bytes = 32 * 1024 * 1024 },
  -- Of one decision: some tens of milliseconds.
  decision = { instructions = 2000000, bytes = 8 * 1024 * 1024 },
  -- Of the process in which `gantry up` evaluates them, all together.
  process = { bytes = 768 * 1024 * 1024, descriptors = 64, cpu_seconds = 30 },
}

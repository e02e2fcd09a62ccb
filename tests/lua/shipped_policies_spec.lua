-- SPDX-License-Identifier: Apache-2.0
--
-- shipped_policies_spec.lua: what lies in policies/: the tests beside them pass and run each of their lines, each is
-- short, and each is in the manual's table. tests/engine/shipped_policies_spec.lua tries them for real.

local json = require "gantry.json"

local SOURCE <const> = os.getenv "GANTRY_SOURCE" or "."
local LONGEST <const> = 40 -- lines: a policy is read before it is used

---@param command string
---@return string
local function output(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

describe("policies/", function()
  local run

  setup(function()
    -- The command is not sanitized, and its policies' process takes no library that is loaded first.
    run = assert(json.decode(output(("cd %s && unset LD_PRELOAD && %s test --coverage --json policies"):format(SOURCE,
      assert(os.getenv "GANTRY")))))
  end)

  ---@return fun(): string path of each policy below the source tree
  local function shipped()
    return output(("cd %s && find policies -name '*.lua' ! -name '*_test.lua'"):format(SOURCE)):gmatch "[^\n]+"
  end

  it("is tested, all of it", function()
    assert.are.equal(0, run.failed, json.encode(run.files))
    local missed = {}
    for path in shipped() do
      local covered = run.coverage[path]
      if not covered or #covered.missed > 0 then missed[#missed + 1] = path end
    end
    assert.are.same({}, missed, "lines that no test ran; see gantry test --coverage policies")
  end)

  it("is short", function()
    for path in shipped() do
      local count = 0
      for _ in io.lines(SOURCE .. "/" .. path) do count = count + 1 end
      assert.is_true(count <= LONGEST, ("%s has %d lines"):format(path, count))
    end
  end)

  it("is in the manual", function()
    local file <close> = assert(io.open(SOURCE .. "/docs/sharing.md"))
    local manual = file:read "a"
    for path in shipped() do
      local link = ("](../%s)"):format(path)
      assert.is_truthy(path:find "^policies/vault/" or manual:find(link, 1, true), "docs/sharing.md lacks " .. path)
    end
  end)
end)

-- SPDX-License-Identifier: Apache-2.0
--
--- The programs of docs/examples do what they say, and end where a launch fails. What docs/embedding.md shows of them
--- is what stands there.

local support = require "engine.support"

local EXAMPLES <const> = support.source .. "/docs/examples/"

---Runs an example to its end; one that hangs is killed.
---@return string output both streams
---@return integer? code
local function run(root, name, policy)
  local pipe = assert(io.popen(("GANTRY_RUNTIME_DIR=%s timeout 60 lua5.4 %s%s %s 2>&1"):format(root, EXAMPLES, name,
    policy)))
  local output = pipe:read("a")
  local _, _, code = pipe:close()
  return output, code
end

describe("the example", function()
  local root, policy

  before_each(function()
    root = support.temporary()
    policy = support.write(root .. "/kv.lua", support.policy_text())
  end)

  after_each(function()
    assert.are.same({}, support.containers(root))
    support.remove(root)
  end)

  it("put_get.lua runs to its end", function()
    local output, code = run(root, "put_get.lua", policy)
    assert.is_truthy(output:find("got greeting = hello\n", 1, true), output)
    assert.are.equal(0, code)
  end)

  for _, name in ipairs { "in_luv.lua", "in_cqueues.lua" } do
    it(name .. " runs to its end", function()
      local output, code = run(root, name, policy)
      assert.are.equal("got hello\nthe timer went on\n", output)
      assert.are.equal(0, code)
    end)

    for what, text in pairs { ["cannot be found"] = false, ["does not start"] = [[args = { "-exit-now=3" },]] } do
      it(name .. " ends with an error where the plugin " .. what, function()
        if text then support.write(policy, support.policy_text(text)) end
        local output, code = run(root, name, text and policy or root .. "/none.lua")
        assert.is_truthy(output:find(text and "exited before its handshake" or "no such file", 1, true), output)
        assert.is_true(code ~= 0 and code ~= 124, output) -- 124: it hung
      end)
    end
  end
end)

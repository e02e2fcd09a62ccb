-- SPDX-License-Identifier: Apache-2.0
--
--- The programs of docs/examples do what they say, and end where a launch fails.

local support = require "engine.support"

local EXAMPLES <const> = support.source .. "/docs/examples/"

---Runs an example to its end; one that hangs is killed.
---@return string output both streams
---@return integer? code
local function run(root, name, arguments, environment)
  local command = ("%s GANTRY_RUNTIME_DIR=%s timeout 60 lua5.4 %s%s %s 2>&1"):format(environment or "", root, EXAMPLES,
    name, arguments)
  local pipe = assert(io.popen(command))
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

  it("supervise.lua is what the manual shows", function()
    local text = support.read(EXAMPLES .. "supervise.lua"):match "\n(local gantry = .*)$"
    assert.is_truthy(support.read(support.source .. "/docs/embedding.md"):find(text, 1, true))
  end)

  it("supervise.lua keeps a plugin running that is killed, and stops it in the end", function()
    local policies = root .. "/policies"
    assert(os.execute("mkdir -m 700 " .. policies))
    support.write(policies .. "/kv.lua", support.policy_text 'args = { "-print-stderr", "hello" },')
    local output, code = run(root, "supervise.lua", policies .. " kv", "GANTRY_STATE_DIR=" .. root .. "/state")
    for _, line in ipairs { "got first\n", "got second\n", "kv says hello\n", "decided: restart", "stopped kv\n$" } do
      assert.matches(line, output)
    end
    assert.are.equal(0, code, output)
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

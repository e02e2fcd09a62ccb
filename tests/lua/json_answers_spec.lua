-- SPDX-License-Identifier: Apache-2.0
--
--- The static check of what is done with the answers of json.encode: what it finds, and what it lets pass.

local CHECK <const> = (os.getenv "GANTRY_SOURCE" or ".") .. "/tests/static/json_answers.lua"

---@param code string
---@return boolean passes
local function passes(code)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write('local json = require "gantry.json"\n', code, "\n")
  file:close()
  local ok = os.execute(("lua5.4 '%s' %s >/dev/null"):format(CHECK, path))
  os.remove(path)
  return ok == true
end

describe("the check of encoders' answers", function()
  it("finds an answer that nobody looks at", function()
    for _, code in ipairs {
      'local a = json.encode(x) .. "\\n"', 'local a =\n  json.encode(x)\n  .. "\\n"', 'return "x" .. json.encode(x)',
      'return json.encode(x) .. "x"', "return json.encode(x):sub(1)", 'return json.encode "x" .. "y"',
      "return json.encode 'x' .. 'y'", "return json.encode [[x]] .. 'y'", "local a = (json.encode(x)):len()",
      "write(json.encode(x))", "write(1,\n json.pretty(x))", "local a = { b = json.encode(x) }",
      "local a = json.encode(x)", 'local a = json.encode(x) or ""', 'local a, err = json.encode(x) .. "y"',
      "local encode = json.encode", "pcall(json.encode, x)", 'local a = json["encode"](x)', "write(json . encode(x))",
      'local other = require "gantry.json"', 'write(require("gantry.json").encode(x))',
    } do
      assert.is_false(passes(code), code)
    end
  end)

  it("lets pass what looks at it, and what is none", function()
    for _, code in ipairs {
      "local a, err = json.encode(x)", "text, err = json.pretty(x)", "return json.encode(x)",
      "local a = assert(json.encode(x))", "write(json.line(x))", "-- json.encode(x) .. y", "cjson.encode(x)",
      "function json.encode(value) end", "local a = json.encoded", "local a = json.decode(x)",
    } do
      assert.is_true(passes(code), code)
    end
  end)
end)

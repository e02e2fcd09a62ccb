-- SPDX-License-Identifier: Apache-2.0
--
--- Wrong input, in a table of its own: each command ends with its code and says what is wrong, and where.

local core = require "gantry.core"

local executable = assert(os.getenv "GANTRY", "GANTRY must name the executable under test (ctest sets it)")

describe("wrong input", function()
  local folder

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    assert(os.execute("mkdir -m 700 " .. folder))
  end)
  after_each(function() assert(os.execute("rm -r " .. folder)) end)

  local function write(name, text)
    local at = name:match "^(.*)/"
    if at then assert(os.execute(("mkdir -p -m 700 %s/%s"):format(folder, at))) end
    local file <close> = assert(io.open(folder .. "/" .. name, "wb"))
    assert(file:write(text))
  end

  ---@return integer code, string text of both outputs
  local function run(command)
    local pipe = assert(io.popen(("cd %s && env -u GANTRY_SITE DOCKER_HOST=unix:///nowhere '%s' %s 2>&1 </dev/null")
      :format(folder, executable, command)))
    local text = pipe:read "a"
    return select(3, pipe:close()), text
  end

  for _, row in ipairs(require "lua.wrong_policies") do
    local command = row.command or "check kv.lua"
    it(("%s: %s"):format(command, row[1] or table.concat(row[2], ", ")), function()
      for name, text in pairs(row.files or {}) do write(name, text) end
      if row[1] then
        local image = row[1]:find "^image" and "" or 'image = "kv",'
        write("kv.lua", ("return { %s\n%s\n}\n"):format(image, row[1]))
      end
      local code, text = run(command)
      assert.are.equal(row.code or 3, code, text)
      for _, words in ipairs(row[2]) do assert.matches(words, text, 1, true) end
      for _, words in ipairs { "stack traceback", row.without } do assert.is_nil(text:find(words, 1, true), text) end
    end)
  end
end)

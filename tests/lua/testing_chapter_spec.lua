-- SPDX-License-Identifier: Apache-2.0
--
--- docs/testing.md keeps its word: its files are written, its commands are run, in its order, in an empty folder.

local core = require "gantry.core"

local SOURCE <const> = os.getenv "GANTRY_SOURCE" or "."

---@param path string
---@return string
local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

describe("docs/testing.md", function()
  local folder

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    assert(core.files.make_directory(folder))
  end)
  after_each(function() assert(os.execute("rm -rf " .. folder)) end)

  ---What a command prints, without the folder and the time, and as where gantry is installed.
  local function run(command)
    local bin = assert(os.getenv "GANTRY"):match "^(.*)/"
    -- The command is not sanitized, and its policies' process takes no library that is loaded first.
    local line = ("cd %s && unset LD_PRELOAD && export PATH=%s:$PATH && { %s\n} 2>&1"):format(folder, bin, command)
    local pipe <close> = assert(io.popen(line))
    local shipped = core.system.real_path(SOURCE .. "/policies"):gsub("%p", "%%%0")
    local text = pipe:read "a":gsub(folder .. "/", ""):gsub(shipped, "/usr/share/gantry/policies")
    return (text:gsub(" %([%d.]+ s%)", ""):gsub(" +\n", "\n"))
  end

  ---Runs the commands of a block, each with what it is to print.
  local function console(block)
    local commands = {}
    for line in block:gmatch "([^\n]*)\n" do
      local command = line:match "^%$ (.*)$"
      if command then
        commands[#commands + 1] = { command, "" }
      else
        commands[#commands][2] = commands[#commands][2] .. line .. "\n"
      end
    end
    for _, one in ipairs(commands) do assert.are.equal(one[2], run(one[1]), one[1]) end
    return #commands
  end

  it("is what happens", function()
    local files, commands = 0, 0
    for kind, block in read(SOURCE .. "/docs/testing.md"):gmatch "```(%l+)\n(.-)```" do
      if kind == "lua" then
        local file <close> = assert(io.open(folder .. "/" .. block:match "^%-%- (%S+)\n", "w"))
        file:write(block)
        files = files + 1
      else
        commands = commands + console(block)
      end
    end
    assert.are.equal(4, files)
    assert.is_true(commands > 8)
  end)
end)

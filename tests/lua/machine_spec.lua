-- SPDX-License-Identifier: Apache-2.0
--
--- Which machine this is: by its id, hidden; by its hostname where it has none.

local core = require "gantry.core"
local machine = require "gantry.base.machine"
local sha256 = require "gantry.base.sha256"

describe("this machine", function()
  local files, folder = machine.files, nil

  before_each(function()
    folder = "/tmp/gantry-machine-" .. core.system.random(6)
    assert(core.files.make_directory(folder))
    machine.files = { folder .. "/first", folder .. "/second" }
  end)

  after_each(function()
    machine.files = files
    assert(os.execute("rm -rf " .. folder))
  end)

  ---@param name string
  ---@param text string
  local function write(name, text)
    local file <close> = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text)
  end

  local ID <const> = ("0123456789abcdef"):rep(2)

  it("is known by its id, which cannot be read from its name", function()
    write("first", ID .. "\n")
    assert.are.equal(sha256("gantry " .. ID):sub(1, 32), machine.name())
    assert.is_nil(machine.name():find(ID, 1, true))
    local name = machine.name()
    os.remove(folder .. "/first")
    write("second", ID:upper() .. "\n")
    assert.are.equal(name, machine.name())
  end)

  it("is known by its hostname where it has no id", function()
    assert.are.equal(core.system.hostname(), machine.name())
    for _, text in ipairs { "", "\n", "uninitialized\n", ("0"):rep(32), ID .. "0\n", ID:sub(2), " " .. ID } do
      write("first", text)
      assert.are.equal(core.system.hostname(), machine.name(), text)
    end
  end)

  it("has a boot", function()
    assert.is_truthy(machine.boot():find "^%x+%-%x+%-%x+%-%x+%-%x+$")
    assert.are.equal(machine.boot(), machine.boot())
  end)
end)

describe("SHA-256", function()
  it("is that of others", function()
    for text, digest in pairs {
      [""] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      ["abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"] =
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    } do
      assert.are.equal(digest, sha256(text))
    end
    for length = 54, 66 do
      local pipe <close> = assert(io.popen(("printf '%s' | sha256sum"):format(("x"):rep(length))))
      assert.are.equal(pipe:read("a"):sub(1, 64), sha256(("x"):rep(length)))
    end
  end)
end)

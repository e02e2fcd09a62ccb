-- SPDX-License-Identifier: Apache-2.0
--
--- Files that are read here and there, their stamps, and SHA-256 of what they hold.

local core = require "gantry.core"
local digest = require "gantry.core.digest"
local sha256 = require "gantry.base.sha256"

describe("a file", function()
  local path, file

  before_each(function()
    path = os.tmpname()
    assert(core.files.replace(path, ("0123456789"):rep(1000)))
    file = assert(core.files.open(path))
  end)
  after_each(function()
    file:close()
    os.remove(path)
  end)

  it("is read from any place", function()
    assert.are.equal("12345", file:read(1, 5))
    assert.are.equal(("0123456789"):rep(1000), file:read(0, 1 << 20))
    assert.are.equal("89", file:read(9998, 10))
    assert.are.equal("", file:read(20000, 10))
    assert.has_error(function() file:read(-1, 1) end)
    assert.has_error(function() file:read(0, -1) end)
    local _, status = core.files.open(path)
    assert.are.same({ "file", 10000 }, { status.type, status.size })
  end)

  it("tells of errors as such", function()
    local missing, err = core.files.open(path .. "-missing")
    assert.is_nil(missing)
    assert.are.equal("READ_FAILED", err.code)
    local folder <close> = assert(core.files.open "/")
    local bytes, unread = folder:read(0, 10)
    assert.is_nil(bytes)
    assert.are.equal("READ_FAILED", unread.code)
    file:close()
    assert.has_error(function() file:read(0, 1) end)
    assert.has_error(function() file:stamp() end)
  end)

  it("has another stamp after any change, also one that sets its time back", function()
    local stamp, changed = file:stamp()
    assert.are.equal(stamp, (file:stamp()))
    assert.is_true(math.abs(os.time() - changed) < 100)
    assert(os.execute(("cp -p %s %s.saved && mv %s.saved %s"):format(path, path, path, path)))
    local other <close> = assert(core.files.open(path))
    assert.are_not.equal(stamp, (other:stamp()))
  end)

  it("is hashed whole and in parts", function()
    local sum = assert(digest.new())
    sum:add "before"
    assert.are.equal(5, sum:add_file(file, 10, 5))
    assert.are.equal(sha256 "before01234", sum:hex())
    assert.are.equal(9995, sum:add_file(file, 5, 1 << 30))
    assert.are.equal(sha256("before01234" .. "56789" .. ("0123456789"):rep(999)), sum:hex())
    assert.are.equal(0, sum:add_file(file, 10000, 1))
  end)

  it("becomes the body of a request only with all that is needed", function()
    local good = { before = "", file = file, size = 10000, sha256 = ("0"):rep(64), after = "" }
    assert.is_userdata(digest.body(good))
    for name in pairs(good) do
      local bad = {}
      for key, value in pairs(good) do bad[key] = value end
      bad[name] = name == "size" and -1 or nil
      assert.has_error(function() digest.body(bad) end)
    end
  end)
end)

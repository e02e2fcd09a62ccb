-- SPDX-License-Identifier: Apache-2.0
--
--- The codec against the real Go protobuf library: random messages of a schema with every feature go from Go to Lua and
--- back, in each pair of forms, and Go says whether they are still the same (see protobuf_peer/main.go).

local core = require "gantry.core"
local protobuf = require "gantry.protobuf"

local PEER = os.getenv "GANTRY_PROTOBUF_PEER"
-- JSON cannot carry all messages: the peer makes those that it can for an odd seed.
local SEED <const>, SEED_FOR_JSON <const> = 20260, 20261

describe("messages of the Go protobuf library", function()
  local registry, folder

  ---Runs the peer; returns what it printed.
  local function peer(arguments)
    local pipe = assert(io.popen(("%s %s 2>%s/error"):format(PEER, arguments, folder)))
    local printed = pipe:read("a")
    local ok = pipe:close()
    local file <close> = assert(io.open(folder .. "/error"))
    assert.is_true(ok, file:read("a"))
    return printed
  end

  ---Iterates over records: a name and a body each.
  local function records(text)
    local at = 1
    return function()
      if at > #text then return nil end
      local name, body
      name, body, at = string.unpack("<s4s4", text, at)
      return name, body
    end
  end

  ---Sends messages through `convert` and has Go compare what comes back with what it sent.
  local function through(mode, check, seed, count, convert)
    local returned = {}
    for name, body in records(peer(("%s %d %d"):format(mode, seed, count))) do
      local message = assert(registry:message(name))
      local converted, err = convert(message, body)
      if err then error(("message %d (%s): %s"):format(#returned, name, err)) end
      returned[#returned + 1] = string.pack("<s4s4", name, converted)
    end
    local file = assert(io.open(folder .. "/returned", "wb"))
    assert(file:write(table.concat(returned)))
    file:close()
    local answer = peer(("%s %d %d <%s/returned"):format(check, seed, count, folder))
    assert.are.equal(("same %d\n"):format(count), answer)
  end

  setup(function()
    assert(PEER, "GANTRY_PROTOBUF_PEER must name the program built from tests/lua/protobuf_peer (ctest sets it)")
    folder = ("%s/gantry-test-%s"):format(os.getenv("TMPDIR") or "/tmp", core.system.random(4))
    assert(os.execute("mkdir -m 700 " .. folder))
    registry = protobuf.registry()
    for _, body in records(peer "descriptors") do assert.is_true(registry:add(body)) end
    assert.are.same({}, registry:missing_files())
  end)

  teardown(function() if folder then os.execute("rm -rf " .. folder) end end)

  it("are the same after decoding and encoding, 10,000 of them", function()
    through("binary", "check-binary", SEED, 10000, function(message, body)
      local value, err = message:decode(body)
      if err then return nil, err end
      return message:encode(value)
    end)
  end)

  it("are the same as JSON written here and read by Go", function()
    through("binary", "check-json", SEED_FOR_JSON, 2000, function(message, body)
      return message:to_json(body)
    end)
  end)

  it("are the same as indented JSON", function()
    through("binary", "check-json", SEED_FOR_JSON + 2, 200, function(message, body)
      return message:to_json(body, { indent = "\t" })
    end)
  end)

  it("are the same as JSON written by Go and read here", function()
    through("json", "check-binary", SEED_FOR_JSON + 4, 2000, function(message, body)
      local value, err = message:from_json(body)
      if err then return nil, err end
      return message:encode(value)
    end)
  end)

  it("are encoded to the same bytes every time", function()
    for name, body in records(peer(("binary %d 300"):format(SEED))) do
      local message = assert(registry:message(name))
      local once = assert(message:encode(assert(message:decode(body))))
      assert.are.equal(once, assert(message:encode(assert(message:decode(once)))))
    end
  end)

  ---Calls back for texts with something cut off or changed; the same ones every time.
  local function broken(mode, seed, each)
    math.randomseed(4)
    for name, body in records(peer(("%s %d 400"):format(mode, seed))) do
      for _ = 1, body == "" and 0 or 8 do
        local at = math.random(#body)
        each(assert(registry:message(name)), math.random(2) == 1 and body:sub(1, at - 1)
          or body:sub(1, at - 1) .. string.char(math.random(0, 255)) .. body:sub(at + 1))
      end
    end
  end

  it("are decoded or refused, whatever was cut off or changed", function()
    local refused, total = 0, 0
    broken("binary", SEED, function(message, body)
      local value, err = message:decode(body)
      total = total + 1
      if err then
        assert.is_nil(value)
        assert.are.equal("ANSWER_INVALID", err.code)
        refused = refused + 1
      else
        local again, misfit = message:encode(value)
        assert(again or misfit.message:find("is required", 1, true), misfit)
      end
    end)
    assert.is_true(refused > total / 10, ("%d of %d were refused"):format(refused, total))
  end)

  it("are read from JSON or refused, whatever was cut off or changed", function()
    local refused, total = 0, 0
    broken("json", SEED_FOR_JSON, function(message, text)
      local value, err = message:from_json(text)
      total = total + 1
      if err then
        assert.is_nil(value)
        assert.is_truthy(err.code == "JSON_INVALID" or err.code == "MESSAGE_INVALID", err)
        refused = refused + 1
      else
        assert(message:encode(value))
      end
    end)
    assert.is_true(refused > total / 2, ("%d of %d were refused"):format(refused, total))
  end)
end)

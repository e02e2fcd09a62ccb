-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.core.stdcopy, gantry.core.lines and the splitter of a plugin's output: from an engine's stream to lines.

local core = require "gantry.core"
local line_splitter = require "gantry.base.line_splitter"

---One frame of the engine's stream.
local function frame(stream, payload) return string.pack(">Bxxx s4", stream, payload) end

---Feeds a text in chunks of a size and joins what comes, adjacent payloads of one stream as one.
local function feed_in_chunks(frames, text, size)
  local joined = {}
  for at = 1, #text, size do
    local pieces = assert(frames:feed(text:sub(at, at + size - 1)))
    for i = 1, #pieces, 2 do
      local stream, bytes = pieces[i], pieces[i + 1]
      if joined[#joined - 1] == stream then
        joined[#joined] = joined[#joined] .. bytes
      else
        joined[#joined + 1], joined[#joined + 2] = stream, bytes
      end
    end
  end
  return joined
end

describe("stdcopy", function()
  local text = frame(1, "out") .. frame(1, " more") .. frame(2, "err\0\n") .. frame(0, "in") .. frame(1, "")
    .. frame(3, "bad")
  local wanted = { 1, "out more", 2, "err\0\n", 1, "in", 3, "bad" }

  it("joins adjacent payloads of one stream", function()
    local pieces = core.stdcopy.new():feed(text)
    assert.are.same(wanted, pieces)
    assert.are.equal("integer", math.type(pieces[1]))
  end)

  it("takes any chunks", function()
    for size = 1, #text do assert.are.same(wanted, feed_in_chunks(core.stdcopy.new(), text, size)) end
  end)

  it("gives an empty list where no payload came", function()
    local frames = core.stdcopy.new()
    assert.are.same({}, frames:feed(""))
    assert.are.same({}, frames:feed("\1\0\0"))
    assert.are.same({}, frames:feed("\0\0\0\0\1"))
    assert.are.same({ 1, "x" }, frames:feed("x"))
  end)

  it("joins many small and few large payloads whole", function()
    local list, payloads = {}, {}
    for i = 1, 500 do
      payloads[i] = string.rep(string.char(i % 251), i % 7 == 0 and 70000 or 3)
      list[i] = frame(1, payloads[i])
    end
    local pieces = core.stdcopy.new():feed(table.concat(list))
    assert.are.equal(2, #pieces)
    assert.is_true(pieces[2] == table.concat(payloads))
  end)

  it("fails for good at an impossible header, and hands over what came before", function()
    local frames = core.stdcopy.new()
    local pieces, err, before = frames:feed(frame(2, "ok") .. "plain text of a terminal")
    assert.is_nil(pieces)
    assert.are.equal("STREAM_CORRUPT", err.code)
    assert.is_truthy(err.message:find("frame header", 1, true))
    assert.are.same({ 2, "ok" }, before)
    pieces, err, before = frames:feed(frame(1, "after"))
    assert.is_nil(pieces)
    assert.are.equal("STREAM_CORRUPT", err.code)
    assert.are.same({}, before)
  end)

  it("raises on wrong arguments", function()
    assert.has_error(function() core.stdcopy.new():feed() end)
    assert.has_error(function() core.stdcopy.new().feed({}, "x") end)
  end)
end)

describe("lines", function()
  ---All lines of a text fed in chunks of a size; one that goes on ends with "+".
  local function lines_of(limit, text, size)
    local splitter, seen = core.lines.new(limit), {}
    local function add(line, partial) seen[#seen + 1] = partial and line .. "+" or line end
    for at = 1, #text, size do splitter:feed(text:sub(at, at + size - 1), add) end
    splitter:finish(add)
    return seen
  end

  it("takes any chunks", function()
    local text = "one\r\ntwo\n\nthree is long\nfour\0\nfive"
    for size = 1, #text do
      assert.are.same({ "one", "two", "", "three is+", " long", "four\0", "five" }, lines_of(8, text, size))
    end
  end)

  it("says with true and false whether a line goes on", function()
    local seen = {}
    core.lines.new(2):feed("abc\n", function(...) seen[#seen + 1] = { select("#", ...), ... } end)
    assert.are.same({ { 2, "ab", true }, { 2, "c", false } }, seen)
  end)

  it("lets an error of the function through and does not tell a line twice", function()
    local splitter, seen = core.lines.new(80), {}
    splitter:feed("half ", error)
    local problem = {}
    local ok, raised = pcall(splitter.feed, splitter, "line\nlost", function() error(problem) end)
    assert.is_false(ok)
    assert.are.equal(problem, raised)
    splitter:feed("next\n", function(line) seen[#seen + 1] = line end)
    assert.are.same({ "next" }, seen)
  end)

  it("bears being fed by its own function", function()
    local splitter, seen = core.lines.new(4), {}
    local function add(line) seen[#seen + 1] = line end
    splitter:feed("ab", error)
    splitter:feed("cdef\n", function(line)
      add(line)
      if #seen == 1 then splitter:feed("wxyz!\n", add) end
    end)
    assert.are.same({ "abcd", "wxyz", "!", "ef" }, seen)
  end)

  it("raises on wrong arguments", function()
    assert.has_error(function() core.lines.new(0) end)
    assert.has_error(function() core.lines.new(-1) end)
    assert.has_error(function() core.lines.new(1 << 40) end)
    assert.has_error(function() core.lines.new() end)
    assert.has_error(function() core.lines.new(8):feed("x") end)
    assert.has_error(function() core.lines.new(8):finish() end)
  end)

  -- Well under 5 ms without sanitizers; the bound is for machines that do other things as well.
  it("splits 256 KiB into lines of 100 bytes without delay", function()
    local chunk = string.rep(string.rep("x", 99) .. "\n", 2622)
    local splitter, count, best = core.lines.new(65536), 0, math.huge
    for _ = 1, 10 do
      local began = core.loop.clock()
      splitter:feed(chunk, function() count = count + 1 end)
      best = math.min(best, core.loop.clock() - began)
    end
    assert.are.equal(26220, count)
    assert.is_true(best < 0.1, ("took %.1f ms"):format(best * 1000))
  end)
end)

describe("the splitter of a plugin's output", function()
  it("gives whole lines of each stream, at once what came at once, and what was begun in the end", function()
    local seen = {}
    local splitter = line_splitter.new(function(stream, lines)
      seen[#seen + 1] = stream .. ": " .. table.concat(lines, "|")
    end)
    splitter:feed("stderr", "one\r\ntwo\nth")
    splitter:feed("stdout", "other")
    splitter:feed("stderr", "ree\n\nfour")
    splitter:feed("stdout", "")
    splitter:finish()
    splitter:finish()
    splitter:feed("stdout", "next\n")
    assert.are.same({ "stderr: one|two", "stderr: three|", "stdout: other", "stderr: four", "stdout: next" }, seen)
  end)

  it("gives a line without end in pieces", function()
    local pieces = {}
    local splitter = line_splitter.new(function(_, lines)
      for _, line in ipairs(lines) do pieces[#pieces + 1] = #line end
    end)
    splitter:feed("stdout", ("x"):rep(150000) .. "\n")
    assert.are.same({ 65536, 65536, 18928 }, pieces)
  end)
end)

-- SPDX-License-Identifier: Apache-2.0
--
--- What of a plugin's text a terminal gets.

local core = require "gantry.core"
local printable = require "gantry.text.printable"

describe("text for a terminal", function()
  it("is what it was where there is nothing to act on", function()
    for _, text in ipairs { "", "plain\n", "a\tb\n\n", "grün ✓ 日本 \u{10ffff}", "\u{a0}\u{7ff}\u{fffd}\u{1b1}" } do
      assert.are.equal(text, printable.text(text))
    end
  end)

  it("shows control characters of ASCII", function()
    for text, shown in pairs {
      ["\27[2J\27]0;title\7"] = [[\x1b[2J\x1b]0;title\x07]],
      ["10 %\r20 %\n"] = "10 %\\x0d20 %\n",
      ["a\0b\8\127"] = [[a\x00b\x08\x7f]],
      ["\14\11\12"] = [[\x0e\x0b\x0c]],
    } do
      assert.are.equal(shown, printable.text(text))
    end
  end)

  it("shows control characters of one byte, whether they are UTF-8 or not", function()
    assert.are.equal([[a\xc2\x9b31mb\xc2\x80\xc2\x9f]], printable.text "a\u{9b}31mb\u{80}\u{9f}")
    assert.are.equal([[a\x9b31m]], printable.text "a\x9b31m")
    assert.are.equal("ä\\x9b\u{20ac}", printable.text "ä\x9b€")
  end)

  it("shows what would hide or reorder the text around it", function()
    for text, shown in pairs {
      ["\u{202e}gnp.exe"] = [[\u{202e}gnp.exe]],
      ["a\u{200b}b\u{2066}c\u{2069}"] = [[a\u{200b}b\u{2066}c\u{2069}]],
      ["\u{ad}\u{61c}\u{feff}\u{e0041}\u{2028}"] = [[\u{ad}\u{61c}\u{feff}\u{e0041}\u{2028}]],
      ["\u{2010}\u{2026}\u{2070}\u{600}\u{ff21}"] = "\u{2010}\u{2026}\u{2070}\u{600}\u{ff21}",
    } do
      assert.are.equal(shown, printable.text(text))
      assert.are.equal(shown, printable.text(shown))
    end
  end)

  it("shows bytes that are no UTF-8, wherever they are", function()
    for text, shown in pairs {
      ["gr\xfcn"] = [[gr\xfcn]],
      ["\xff\xfe"] = [[\xff\xfe]],
      ["cut \xe2\x9c"] = [[cut \xe2\x9c]],
      ["\x9c\xe2 ✓"] = [[\x9c\xe2 ✓]],
      ["long \xc0\x9b"] = [[long \xc0\x9b]],
      ["half \xed\xa0\x80"] = [[half \xed\xa0\x80]],
      ["\xc2\xc2\x9b"] = [[\xc2\xc2\x9b]],
    } do
      assert.are.equal(shown, printable.text(text))
    end
  end)

  it("holds nothing to act on, whatever it was made from", function()
    local state = 1
    for _ = 1, 500 do
      local bytes = {}
      for i = 1, 24 do
        state = (state * 1103515245 + 12345) % 2147483648
        bytes[i] = string.char(state >> 16 & 0xff)
      end
      local shown = printable.text(table.concat(bytes))
      assert.is_truthy(utf8.len(shown), shown)
      assert.is_nil(shown:find("[\0-\8\11-\31\127]"))
      for _, code in utf8.codes(shown) do assert.is_false(code >= 0x80 and code < 0xa0) end
      assert.are.equal(shown, printable.text(shown))
    end
  end)
end)

describe("text for what is no terminal", function()
  it("is unchanged", function()
    local reader, writer = core.system.socket_pair()
    local hostile = "\27[2J\u{9b}\xff\r\0"
    assert.are.equal(hostile, printable.filter(writer)(hostile))
    for _, descriptor in ipairs { reader, writer } do core.system.close(descriptor) end
  end)
end)

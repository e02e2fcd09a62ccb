-- SPDX-License-Identifier: Apache-2.0
--
--- What `gantry top` shows of what it knows, on screens of any size, and what its keys do.

local draw = require "gantry.top.draw"
local graph = require "gantry.top.graph"
local keys = require "gantry.top.keys"
local models = require "gantry.top.model"
local printable = require "gantry.text.printable"

local HOSTILE <const> = "\27[2J<script>\u{202e}gnp\r\n\t\u{9b}\xff" .. ("日"):rep(40)

---A screen that is a table. Whatever is put there must be shown already: nothing that a terminal acts on.
local function canvas(rows, columns)
  local self = { cells = {}, styles = {} }
  function self.size() return rows, columns end
  function self.has_unicode() return true end
  function self.width(_, text) return utf8.len(text) end
  function self.erase()
    for row = 0, rows - 1 do self.cells[row], self.styles[row] = {}, {} end
  end
  function self.put(_, row, column, width, style, text)
    assert.are.equal(printable.text(text), text)
    assert.is_nil(text:find "[\t\n]")
    if row < 0 or row >= rows then return end
    local place = column
    for _, code in utf8.codes(text) do
      if place >= math.min(column + width, columns) then break end
      self.cells[row][place], self.styles[row][place] = utf8.char(code), style
      place = place + 1
    end
    for empty = place, math.min(column + width, columns) - 1 do
      self.cells[row][empty], self.styles[row][empty] = " ", style
    end
  end
  function self.row(_, row)
    local out = {}
    for column = 0, columns - 1 do out[#out + 1] = self.cells[row][column] or " " end
    return (table.concat(out):gsub(" +$", ""))
  end
  function self.text()
    local out = {}
    for row = 0, rows - 1 do out[#out + 1] = self:row(row) end
    return table.concat(out, "\n")
  end
  return self
end

local function plugin(name, more)
  local one = { name = name, state = "ready", image = "image", restarts = 0, generation = 1, uptime = 60,
    stats = { clock = 1, cpu_seconds = 1, cpu_share = 0.5, memory_bytes = 32 << 20, memory_limit_bytes = 64 << 20,
      pids = 8 } }
  for key, value in pairs(more or {}) do one[key] = value end
  return one
end

local function look(model, ...)
  local plugins = { ... }
  model:take_plugins({ plugins = plugins }, true)
end

local function many(count)
  local list = {}
  for i = 1, count do list[i] = plugin(("plugin-%03d"):format(i)) end
  return list
end

---@return string text of the whole screen
local function shown(model, rows, columns)
  local screen = canvas(rows or 24, columns or 80)
  draw.all(model, screen)
  return screen:text(), screen
end

describe("gantry top", function()
  local model, asked, left

  before_each(function() model, asked, left = models.new(), {}, false end)

  local function press(...)
    local hands = { act = function(verb, name) asked[#asked + 1] = verb .. " " .. name end,
      leave = function() left = true end, repaint = function() end,
      page = function() return draw.page(model, 24) end }
    for _, key in ipairs { ... } do keys.press(model, key, hands) end
  end

  it("shows what ps shows, with graphs, and the plugin that is selected", function()
    for i = 1, 5 do
      look(model, plugin("kv", { stats = { clock = i, cpu_seconds = i * 0.25, memory_bytes = i << 20,
        memory_limit_bytes = 5 << 20 } }), plugin("other"))
    end
    model.why = { { time = os.time(), kind = "exit", text = "killed by SIGKILL" } }
    model:add_log { line = "hello", time = os.time() }
    local text, screen = shown(model)
    assert.matches("2 plugins: 2 ready", text)
    assert.matches("kv +ready +1m 25.0%% +████ +5MiB/5MiB +▂▄▅▇█", screen:row(2))
    assert.matches("── kv: ready, generation 1 ─", text)
    assert.matches("CPU  25.0%%.*memory 5MiB of 5MiB", text)
    assert.matches("exit      killed by SIGKILL", text)
    assert.matches("── output [^%w]*\n%d%d:%d%d:%d%d  hello", text)
    assert.are.equal("reverse", screen.styles[2][0])
  end)

  it("draws on any size, whatever is in it", function()
    look(model, plugin("kv"), plugin(HOSTILE, { state = HOSTILE, image = HOSTILE, detail = HOSTILE, trouble = HOSTILE,
      last_exit = { text = HOSTILE } }), table.unpack(many(50)))
    for i = 1, 30 do
      model.why[i] = { time = 0, kind = HOSTILE, text = HOSTILE }
      model:add_log { line = HOSTILE, time = 0 }
      model:add_log { line = "", level = "error", message = HOSTILE, module = HOSTILE,
        fields = { [HOSTILE] = HOSTILE } }
    end
    for _, selected in ipairs { "kv", HOSTILE, "plugin-050" } do
      model.selected = selected
      for _, view in ipairs { "list", "log", "why", "help" } do
        for _, rows in ipairs { 1, 2, 3, 5, 11, 12, 24 } do
          for _, columns in ipairs { 1, 10, 20, 80, 200 } do
            model.view, model.asking, model.message, model.trouble = view, nil, nil, nil
            shown(model, rows, columns)
            model.trouble, model.message = HOSTILE, { text = HOSTILE, style = "error" }
            shown(model, rows, columns)
          end
        end
      end
    end
  end)

  it("shows the table alone where there is no room for more", function()
    look(model, plugin("kv"), plugin("other"))
    local text = shown(model, 5, 20)
    assert.are.same({ "2 plugins: 2 ready", "NAME  STATE   CPU", "kv    ready 50.0%", "other ready 50.0%",
      "q quit  ? help" }, { text:match "(.*)\n(.*)\n(.*)\n(.*)\n(.*)" })
  end)

  it("scrolls with what is selected", function()
    look(model, table.unpack(many(150)))
    press("end")
    local text = shown(model)
    assert.matches("plugin%-150", text)
    assert.is_nil(text:find "plugin%-100 ")
    assert.matches("150/150", text)
    press("page_up")
    assert.are.equal("plugin-142", model.selected)
    press("home", "down", "down", "up")
    assert.matches("plugin%-002", (shown(model)))
    assert.are.equal("plugin-002", model.selected)
    press("up", "up", "up")
    assert.are.equal("plugin-001", model.selected)
  end)

  it("filters as is typed, and forgets it with Escape", function()
    look(model, plugin("jwt"), plugin("kv"), plugin("kv-two", { state = "failed" }))
    press("down", "/", "K", "V", "-", "q")
    assert.are.equal(0, #model.rows)
    assert.matches("no plugin has that", (shown(model)))
    press("backspace", "enter")
    assert.are.equal("kv-", model.filter:lower())
    assert.are.equal("kv-two", model.selected)
    assert.is_false(left)
    press("escape")
    assert.are.equal(3, #model.rows)
    assert.are.equal("kv-two", model.selected)
    press("/", "ü", "ß", "backspace", "escape")
    assert.are.equal("", model.filter)
    press("/", "f", "a", "i", "l", "enter")
    assert.are.equal(1, #model.rows)
  end)

  it("sorts by another column, and keeps what is selected", function()
    look(model, plugin("a", { restarts = 1 }), plugin("b", { restarts = 3 }), plugin("c", { restarts = 2 }))
    press("down")
    while model:sort_column().name ~= "restarts" do press ">" end
    assert.are.equal("b", model.rows[1].name)
    assert.are.equal("b", model.selected)
    press("<", ">")
    assert.matches("sorted by restarts", (shown(model)))
    assert.are.equal("restarts", models.new("restarts"):sort_column().name)
  end)

  it("asks once before it stops or restarts, and starts at once", function()
    look(model, plugin("kv"))
    press("x")
    assert.matches("Stop kv%? It stays down until somebody starts it. y/n", (shown(model)))
    press("n")
    assert.are.same({}, asked)
    assert.matches("not asked to stop", (shown(model)))
    press("r", "enter", "x", "q", "x", "y", "r", "y", "s")
    assert.are.same({ "stop kv", "restart kv", "start kv" }, asked)
    assert.is_false(left)
    press("q")
    assert.is_true(left)
  end)

  it("asks for nothing where there is no plugin", function()
    look(model)
    press("x", "y", "r", "y", "s", "down", "up", "end", "l", "w", "escape", "page_down")
    assert.are.same({}, asked)
    assert.matches("no plugins", (shown(model)))
  end)

  it("keeps its place in a log that goes on, until it follows again", function()
    look(model, plugin("kv"))
    for i = 1, 100 do model:add_log { line = "line " .. i } end
    press("l")
    assert.matches("line 100\n", (shown(model)))
    press("page_up")
    local text = shown(model)
    assert.matches("line 78\n", text)
    for i = 101, 1200 do model:add_log { line = "line " .. i } end
    assert.matches("1122 more below", (shown(model)))
    press("f")
    assert.matches("line 1200\n", (shown(model)))
    press("home")
    assert.matches("line 201\n", (shown(model)))
    press("right")
    assert.is_nil(shown(model):find "line 201")
    press("escape")
    assert.are.equal("list", model.view)
  end)

  it("turns to what stands in the place of a plugin that is gone", function()
    look(model, plugin("a"), plugin("b"), plugin("c"))
    press("down")
    look(model, plugin("a"), plugin("c"))
    assert.are.equal("c", model.selected)
    look(model, plugin("a"))
    assert.are.equal("a", model.selected)
    look(model)
    assert.is_nil(model.selected)
  end)

  it("draws graphs of what was read, with gaps where nothing was", function()
    assert.are.equal("  ▁█ ▅", graph.line({ 0, 10, false, 5 }, 6, 10, true))
    assert.are.equal("#", graph.line({ 0, 10 }, 1, 10, false))
    assert.are.equal("▁▁", graph.line({ 0, 0 }, 2, 0, true))
    assert.are.equal("", graph.line({ 1 }, 0, 0, true))
    local readings = graph.readings()
    for i = 1, 1000 do readings:add(i, nil) end
    assert.are.equal(240, #readings.cpu)
  end)
end)

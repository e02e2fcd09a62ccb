-- SPDX-License-Identifier: Apache-2.0
--
--- top/keys.lua: which key does what.

local keys = {}

---@class gantry.TopHands what keys do beyond the model
---@field act fun(verb: "start"|"stop"|"restart", name: string)
---@field leave fun()
---@field repaint fun()
---@field page fun(): integer rows of a page

local QUESTIONS <const> = { stop = "Stop %s? It stays down until somebody starts it.",
  restart = "Restart %s? Its connections end." }
local SHIFT <const> = 16 -- columns

---@param verb "stop"|"restart"
---@return fun(model: gantry.TopModel)
local function ask(verb)
  return function(model)
    if not model.selected then return end
    model.asking = { verb = verb, name = model.selected, question = QUESTIONS[verb]:format(model.selected) }
  end
end

---@param view "log"|"why"|"help"
---@return fun(model: gantry.TopModel)
local function show(view)
  return function(model) model:show(model.view == view and "list" or view) end
end

---@param rows integer down
---@return fun(model: gantry.TopModel)
local function move(rows)
  return function(model) model:move(rows) end
end

---@param pages integer down
---@return fun(model: gantry.TopModel, hands: gantry.TopHands)
local function page(pages)
  return function(model, hands) model:move(pages * hands.page()) end
end

---@param step integer
---@return fun(model: gantry.TopModel)
local function sort(step)
  return function(model)
    model:sort_by_next(step)
    model:say("sorted by " .. model:sort_column().name, "plain")
  end
end

local function leave(_, hands) hands.leave() end
local function repaint(_, hands) hands.repaint() end

---@param model gantry.TopModel
---@param hands gantry.TopHands
local function start(model, hands)
  if model.selected then hands.act("start", model.selected) end
end

---@type table<string, fun(model: gantry.TopModel, hands: gantry.TopHands)>
local LIST <const> = {
  up = move(-1), down = move(1), k = move(-1), j = move(1), page_up = page(-1), page_down = page(1),
  home = move(math.mininteger // 2), end_ = move(math.maxinteger // 2), g = move(math.mininteger // 2),
  G = move(math.maxinteger // 2),
  ["<"] = sort(-1), [">"] = sort(1), left = sort(-1), right = sort(1),
  ["/"] = function(model) model.typing = true end, escape = function(model) model:set_filter "" end,
  l = show "log", enter = show "log", w = show "why", ["?"] = show "help", h = show "help", f1 = show "help",
  s = start, x = ask "stop", r = ask "restart", q = leave, ["ctrl-l"] = repaint,
}

---@param rows integer
---@return fun(model: gantry.TopModel, hands: gantry.TopHands)
local function scroll(rows)
  return function(model, hands) model:scroll(rows, hands.page()) end
end

---@param pages integer
---@return fun(model: gantry.TopModel, hands: gantry.TopHands)
local function scroll_page(pages)
  return function(model, hands) model:scroll(pages * hands.page(), hands.page()) end
end

---@param columns integer
---@return fun(model: gantry.TopModel)
local function shift(columns)
  return function(model) model.shift = math.max(0, model.shift + columns) end
end

local function back(model) model:show "list" end

---@type table<string, fun(model: gantry.TopModel, hands: gantry.TopHands)>
local TEXT <const> = {
  up = scroll(1), down = scroll(-1), k = scroll(1), j = scroll(-1), page_up = scroll_page(1),
  page_down = scroll_page(-1), home = scroll(1 << 32), end_ = scroll(-1 << 32), g = scroll(1 << 32),
  G = scroll(-1 << 32), f = scroll(-1 << 32), left = shift(-SHIFT), right = shift(SHIFT),
  l = show "log", w = show "why", ["?"] = show "help", h = show "help", escape = back, enter = back, q = back,
  s = start, x = ask "stop", r = ask "restart", ["ctrl-l"] = repaint,
}

---While the filter is typed.
---@param model gantry.TopModel
---@param key string
local function type_filter(model, key)
  if key == "enter" then
    model.typing = false
  elseif key == "escape" then
    model.typing = false
    model:set_filter ""
  elseif key == "backspace" then
    model:set_filter(model.filter:sub(1, (utf8.offset(model.filter, -1) or 1) - 1))
  elseif key == "up" or key == "down" then
    model:move(key == "up" and -1 or 1)
  elseif utf8.len(key) == 1 then
    model:set_filter(model.filter .. key)
  end
end

---@param model gantry.TopModel
---@param key string as core.screen names it
---@param hands gantry.TopHands
function keys.press(model, key, hands)
  model.message = nil
  local asking = model.asking
  if asking then
    model.asking = nil
    if key == "y" or key == "Y" then return hands.act(asking.verb, asking.name) end
    return model:say("not asked to " .. asking.verb, "plain")
  end
  if model.typing then return type_filter(model, key) end
  local does = (model.view == "list" and LIST or TEXT)[key == "end" and "end_" or key]
  if does then does(model, hands) end
end

---What the last row says, the most needed first.
---@param model gantry.TopModel
---@return string[]
function keys.hints(model)
  if model.view == "help" then return { "q back" } end
  if model.view ~= "list" then
    return { "q back", model.back > 0 and "f follow" or "follows", "PgUp back", model.view == "log" and "w why"
      or "l output", "x stop", "r restart", "s start" }
  end
  return { "q quit", "? help", "l output", "w why", "/ filter", "<> sort", "r restart", "x stop", "s start" }
end

---@return string[] lines
function keys.help()
  return {
    "up down j k        select a plugin; PgUp PgDn Home End go further",
    "/                  show those with a text in name, state or image",
    "                   (Enter keeps it, Escape drops it)",
    "< >                sort by another column",
    "l  Enter           output on the whole screen, as it comes",
    "w                  what happened to it, and why",
    "                   (there: arrows and PgUp move, f follows again)",
    "s                  start", "x  r               stop, restart: each asks once",
    "Ctrl-L             paint anew", "Ctrl-Z             back to the shell, until fg", "q  Ctrl-C          quit",
  }
end

return keys

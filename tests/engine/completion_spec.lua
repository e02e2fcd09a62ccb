-- SPDX-License-Identifier: Apache-2.0
--
--- Completion in real shells at a real terminal: verbs, options, the plugins of a `gantry up`, and a plugin's methods.

local core = require "gantry.core"
local supervision = require "engine.supervision"
local support = require "engine.support"
local task = require "gantry.task"
local terminal = require "engine.terminal"

local COMPLETIONS <const> = support.source .. "/docs/completions"
-- Seconds until the key is pressed again: more than completion takes.
local PATIENCE <const> = 5
-- How each shell is started without anybody's settings, and what makes it complete.
local SHELLS <const> = {
  bash = { command = "bash --noprofile --norc -i", begin = (". %s/gantry.bash"):format(COMPLETIONS),
    prompt = "PS1='ready> '" },
  zsh = { command = "zsh -f -i", prompt = "PS1='ready> '",
    begin = ("fpath=(%s $fpath); autoload -Uz compinit; compinit -u -D"):format(COMPLETIONS) },
  fish = { command = "fish --no-config -i", begin = ("source %s/gantry.fish"):format(COMPLETIONS),
    prompt = "function fish_prompt; printf 'ready> '; end" },
}

for name, shell in pairs(SHELLS) do
  describe("completion in " .. name, function()
    local place, screen

    before_each(function()
      place = supervision.place()
      place:policy "jwt-auth"
      place:policy "kv"
    end)

    after_each(function()
      if screen then screen:close() end
      screen = nil
      task.run(place.close, place)
    end)

    local function open()
      -- A home that is no folder: shells leave nothing in it when they end.
      screen = terminal.open(shell.command, { GANTRY_RUNTIME_DIR = place.runtime_dir, HOME = "/dev/null",
        PATH = support.executable:match "^(.*)/" .. ":" .. os.getenv "PATH", GANTRY_STATE_DIR = place.root .. "/state",
        INPUTRC = "/dev/null", DOCKER_CONFIG = place.root, NO_COLOR = "1" })
      screen:enter(shell.prompt)
      screen:shows("ready>", true)
      screen:enter(shell.begin)
      screen:enter "clear"
      screen:shows("ready>", true)
    end

    ---@param typed string
    ---@param completed string the line after Tab
    local function becomes(typed, completed)
      screen:type(typed)
      -- A machine that is busy may not answer in the time that completion takes: people press the key again.
      local pressed = -math.huge
      support.eventually(completed, function()
        if screen:screen():find("ready> " .. completed, 1, true) then return true end
        if core.loop.clock() - pressed < PATIENCE then return end
        screen:press "Tab"
        pressed = core.loop.clock()
      end)
      screen:press "C-c"
      screen:enter "clear"
      screen:shows("ready>", true)
    end

    it("completes verbs, options and their values, plugins, methods and paths", function()
      task.run(function()
        place:up()
        place:await_state("kv", "ready")
        place:await_state("jwt-auth", "ready")
        open()
        becomes("gantry simu", "gantry simulate")
        becomes(support.executable .. " simu", support.executable .. " simulate")
        becomes("gantry logs --fol", "gantry logs --follow")
        becomes("gantry up --log-format j", "gantry up --log-format json")
        becomes("gantry up --log-format=j", "gantry up --log-format=json")
        becomes("gantry logs jw", "gantry logs jwt-auth")
        becomes("gantry logs --follow jw", "gantry logs --follow jwt-auth")
        becomes("gantry call kv KV/P", "gantry call kv KV/Put")
        local check = "gantry check " .. place.root
        becomes(check .. "/pol", check .. "/policies/")
        becomes(check .. "/policies/jw", check .. "/policies/jwt-auth.lua")
        assert(os.execute(("mkdir '%s/a folder' && touch '%s/a folder/one.lua'"):format(place.root, place.root)))
        becomes(check .. "/a", check .. "/a\\ folder/")
        becomes("gantry up " .. place.root .. "/po", "gantry up " .. place.root .. "/policies/")
      end)
    end)

    it("is silent where no supervisor runs", function()
      open()
      screen:type "gantry logs jw"
      screen:press "Tab"
      screen:type "!"
      local seen = screen:shows("ready> gantry logs jw!", true)
      assert.not_matches("supervis", seen)
    end)
  end)
end

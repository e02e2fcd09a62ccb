-- SPDX-License-Identifier: Apache-2.0
--
--- The page of `gantry up --web`: how soon it shows what happens, how it does with many plugins, what those cost
--- `gantry up`, and what it makes of answers with anything in them. What was measured is printed.

local browser = require "engine.browser"
local core = require "gantry.core"
local supervision = require "engine.supervision"
local support = require "engine.support"
local task = require "gantry.task"

-- Seconds of a measurement.
local WHILE <const> = 20

-- What is asserted says whether something waits or turns in a circle, on slow machines too; figures are printed.
-- Seconds from an end to the next generation on the page; shares of one core: of the browser for 200 plugins, of
-- `gantry up` for 100 while the page is open, and while nobody looks.
local SHOWN <const>, BROWSER <const>, OPEN <const>, NOBODY <const> = 3, 0.5, 0.06, 0.01

---@param pid integer
---@return number seconds of processor time so far
local function cpu_seconds(pid)
  local file <close> = assert(io.open(("/proc/%d/stat"):format(pid)))
  local user, system = file:read("a"):match("%) %S+ " .. ("%S+ "):rep(10) .. "(%d+) (%d+)")
  return (tonumber(user) + tonumber(system)) / 100
end

---@return number seconds since 1970, with their fraction
local function wall_clock()
  local pipe <close> = assert(io.popen "date +%s.%N")
  return tonumber(pipe:read "l") --[[@as number]]
end

describe("the page of gantry up, looked at closely,", function()
  local place, chromium

  before_each(function()
    task.run(function()
      place = supervision.place()
      chromium = browser.open()
    end)
  end)

  after_each(function()
    task.run(function()
      chromium:close()
      place:close()
    end)
  end)

  ---@return table command, string link
  local function up()
    local command = place:up(nil, { "--web", "127.0.0.1:0" })
    return command, command:await("stderr", "gantry: web: (%S+)")
  end

  ---Waits until a condition of the page's holds.
  ---@param condition string of JavaScript
  local function await(condition)
    return support.eventually(condition, function() return chromium:run("return " .. condition) end, 120)
  end

  ---@param text string
  ---@param ... any
  local function tell(text, ...)
    io.stdout:write(("%s\n"):format(text:format(...)))
  end

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  test("shows an end and the next generation at once", function()
    place:policy("kv", "restart = function() return 'restart', { after = 0 } end,")
    local _, link = up()
    chromium:go(link)
    await "document.querySelector('tbody tr[data-state=ready]') !== null"
    chromium:click "tbody th a"
    await "document.getElementById('timeline').textContent.includes('ready')"
    local best = math.huge
    for generation = 2, 6 do
      -- The page itself notes when it shows each: asking it takes a while.
      chromium:run([[
        const shows = (text) => document.querySelector("#timeline ol").textContent.includes(text);
        window.seen = null;
        new MutationObserver((_, observer) => {
          if (!shows("generation " + arguments[0])) return;
          window.seen = Date.now() / 1000;
          observer.disconnect();
        }).observe(document.getElementById("timeline"), { childList: true, subtree: true, characterData: true });
      ]], generation)
      local container = place:await_state("kv", "ready").container
      local killed = wall_clock()
      assert(support.engine():kill(container, "KILL"))
      await "window.seen !== null"
      local took = chromium:run "return window.seen" - killed
      best = math.min(best, took)
      tell("the page: killed to next generation shown: %.0f ms", took * 1000)
      await "document.querySelector('#timeline ol').textContent.includes('ready')"
    end
    assert.is_true(best < SHOWN, best)
  end)

  test("shows two hundred plugins without lag", function()
    for i = 1, 200 do place:policy(("plugin-%03d"):format(i), "after = { 'none' },") end
    local _, link = up()
    chromium:go(link)
    await "document.querySelectorAll('tbody tr').length === 200"
    -- Processor time of the page's one thread, which is all that what is typed has to wait for.
    chromium:command("Performance.enable", { timeDomain = "threadTicks" })
    local before, began = chromium:metric "TaskDuration", core.loop.clock()
    for _, letter in ipairs { "/", "1", "9", "\u{e003}", "\u{e003}" } do chromium:type(letter) end
    place:run("stop", "plugin-007")
    await "document.querySelector('tbody tr[data-state=stopped]') !== null"
    task.sleep(began + WHILE - core.loop.clock())
    local share = (chromium:metric "TaskDuration" - before) / (core.loop.clock() - began)
    tell("the page: 200 plugins: %.1f %% of the browser's one thread", share * 100)
    assert.is_true(share < BROWSER, share)
  end)

  test("shows a name, a label, a state and all else as text, whatever they hold", function()
    place:policy("kv", [[labels = { ["com.example.<b>"] = "<script>document.title = 'injected'</script>" },]])
    local _, link = up()
    chromium:go(link)
    await "document.querySelector('tbody tr[data-state=ready]') !== null"
    -- No policy has such a name: it comes in the answer, as of a supervisor that has been taken over.
    chromium:run [[
      const hostile = "<img src=x onerror=\"document.title = 'injected'\"><script>document.title = 'injected'</script>"
        + "\u202egnp\u2066.exe\u001b[31m\u009b7m\u0000";
      const real = window.fetch;
      window.fetch = async (path, ...more) => {
        const response = await real(path, ...more);
        const kind = /^.v1.plugins\?/.test(path) ? "list" : /.why/.test(path) ? "why" : null;
        if (!kind) return response;
        const value = await response.json();
        if (kind === "why") {
          value.entries.push({ time: 1, kind: hostile, text: hostile });
        } else {
          value.plugins.push({ ...value.plugins[0], name: hostile, state: hostile, image: hostile, policy: hostile,
            container: hostile, detail: hostile, protocol: hostile, address: { network: hostile, string: hostile },
            last_exit: { text: hostile }, stats: { restarts_by_cause: { [hostile]: 1 } } },
            { ...value.plugins[0], name: "no unicode \ud800" });
        }
        return new Response(JSON.stringify(value), { headers: { "Content-Type": "application/json" } });
      };
    ]]
    await "document.querySelectorAll('tbody tr').length === 3"
    chromium:run [[
      [...document.querySelectorAll("tbody th a")].find((one) => one.textContent.startsWith("<img")).click()]]
    await "document.getElementById('name').textContent.includes('<img')"
    await "document.getElementById('detail').textContent.includes('<script>')"
    assert.are.same({ "gantry", 0, 0, true }, chromium:run [[
      const text = document.body.textContent;
      return [document.title, document.querySelectorAll("img").length,
        [...document.querySelectorAll("script")].filter((one) => one.textContent).length,
        text.includes("\\u{202e}gnp\\u{2066}.exe\\x1b[31m\\x9b7m") && !/[\u202e\u2066\u001b\u009b]/.test(text)] ]])
    -- Its own log and journal are not there: that is all that the browser tells of.
    for _, entry in ipairs(chromium:log "browser") do assert.matches("404", entry.message) end
  end)

  test("costs little with a hundred plugins, and nothing while nobody looks", function()
    for i = 1, 100 do place:policy(("plugin-%03d"):format(i)) end
    local command, link = up()
    local pid = command.process:pid()
    support.eventually("all are ready", function()
      local ready = 0
      for _, one in ipairs(place:ask("ps").plugins) do ready = ready + (one.state == "ready" and 1 or 0) end
      return ready == 100
    end, 300)

    ---@return number share of one core
    local function cost()
      task.sleep(5) -- what begins has begun
      local before, began = cpu_seconds(pid), core.loop.clock()
      task.sleep(WHILE)
      return (cpu_seconds(pid) - before) / (core.loop.clock() - began)
    end

    local nobody = cost()
    chromium:go(link)
    await "document.querySelectorAll('tbody tr[data-state=ready]').length === 100"
    local page = cost()
    chromium:go "about:blank"
    local again = cost()
    tell("100 plugins, of one core: nobody looks %.2f %%, the page is open %.2f %%, it is closed again %.2f %%",
      nobody * 100, page * 100, again * 100)
    assert.is_true(page < OPEN, page)
    assert.is_true(nobody < NOBODY and again < NOBODY, nobody .. " " .. again)
  end)
end)

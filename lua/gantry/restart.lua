-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.restart: what happens when a plugin ends, as policies say it:
---
---     restart = restart.first_of(
---       restart.on_code { [2] = "fail" },
---       restart.window { max = 5, per = "10m", then_ = "slow_down" },
---       restart.backoff { first = "100ms", factor = 2, max = "30s", jitter = 0.1, reset_after = "1m" })
---
--- `never`, `always` and `on_failure` stand alone or hold another: `restart.on_failure(restart.backoff {})`. `on_code`,
--- `on_cause`, `window` and a function that returns nil may have no opinion: first_of then asks the next one, and in
--- the end the default holds: backoff. How decisions are made is in gantry.restart.decider.

return require("gantry.config.strategies").module()

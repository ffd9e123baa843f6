// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace CLI {
class App;
}

namespace baton::app {

/// Adds `baton clusters`, `topology`, `explain`, `recoveries`, `recover`, `nodes`, `handover`. They
/// talk to the API of any node (--url, else $BATON_URL, else http://127.0.0.1:3000) and set
/// `result` to the exit code: 0 done, 1 refused or failed (the reason is on standard error), 3 no
/// node reached.
void add_client_commands(CLI::App& app, int& result);

}  // namespace baton::app

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace baton::app {

/// `baton serve`: runs the daemon until SIGTERM or SIGINT. Gives the process's exit code: 0 after
/// an orderly end, 1 when it cannot start, 2 for a faulty configuration; the reason is on standard
/// error.
int serve(const std::string& config_file);

}  // namespace baton::app

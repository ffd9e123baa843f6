// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace baton::app {

/// Tells systemd about the state of the service (sd_notify(3): READY=1, STOPPING=1, STATUS=...).
/// Does nothing when it was not started by systemd.
void notify_service_manager(const std::string& message);

/// Raises the soft limit of open files to the hard one; gives the limit.
unsigned long raise_open_files_limit();

}  // namespace baton::app

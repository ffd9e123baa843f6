// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "baton/async/task.hpp"

#include <cstdint>
#include <string>

namespace baton::mysql {

/// Connects by TCP on the loop and closes again; says nothing of what listens there. A server
/// counts it as an aborted connection, so it is only for endpoints that failed before. Errors:
/// timeout, unreachable. Cancellation: at once.
Task<Result<void>> probe_tcp(std::string host, std::uint16_t port, Deadline deadline);

}  // namespace baton::mysql

// SPDX-License-Identifier: Apache-2.0
// The ports are interfaces; this file makes sure that each header compiles alone.
#include "baton/ports/hooks.hpp"
#include "baton/ports/servers.hpp"
#include "baton/ports/store.hpp"

// SPDX-License-Identifier: Apache-2.0
#include "version.hpp"

namespace baton::app {

std::string version() {
    return BATON_VERSION;
}

}  // namespace baton::app

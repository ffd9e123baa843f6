// SPDX-License-Identifier: Apache-2.0
#include "baton/mysql/connect_options.hpp"

namespace baton::mysql {

std::string_view to_string(Tls mode) {
    switch (mode) {
        case Tls::off:
            return "off";
        case Tls::preferred:
            return "preferred";
        case Tls::required:
            return "required";
        case Tls::verify_ca:
            return "verify_ca";
        case Tls::verify_identity:
            return "verify_identity";
    }
    return "unknown";
}

}  // namespace baton::mysql

// SPDX-License-Identifier: Apache-2.0
#pragma once

// HTTP basic credentials, and comparison of secrets.

#include "baton/http/message.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace baton::http {

struct Credentials {
    std::string user, password;
};

/// From "Authorization: Basic ..."; none when there is no such header or it cannot be understood.
std::optional<Credentials> basic_credentials(const Headers& headers);
/// Value for the Authorization header.
std::string basic_authorization(std::string_view user, std::string_view password);
/// Takes a time that does not depend on where the texts differ.
bool equal_secrets(std::string_view a, std::string_view b);

}  // namespace baton::http

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Finds the route of a path. Patterns are literal segments and "{name}" parameters (one non-empty
// segment each); a literal beats a parameter, segment by segment from the left, with a way back
// when the literal leads nowhere.

#include "baton/http/message.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace baton::http {

class Router {
public:
    Router();
    ~Router();
    Router(Router&&) noexcept;
    Router& operator=(Router&&) noexcept;

    /// `id` is what match() answers. A second route of the same shape and method is a bug and
    /// aborts.
    void add(Method method, std::string_view pattern, std::size_t id);

    struct Match {
        enum class Kind { found, other_method, none } kind = Kind::none;
        std::size_t id = 0;
        std::vector<std::string> parameters;  // in order of the pattern
        std::vector<Method> allowed;          // with other_method
    };

    /// HEAD is found where GET is.
    [[nodiscard]] Match match(Method method, const std::vector<std::string>& segments) const;

private:
    struct Node;
    std::unique_ptr<Node> root_;
};

}  // namespace baton::http

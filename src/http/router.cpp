// SPDX-License-Identifier: Apache-2.0
#include "baton/http/router.hpp"

#include "baton/base/check.hpp"
#include "baton/http/url.hpp"

namespace baton::http {

struct Router::Node {
    std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
    std::unique_ptr<Node> parameter;
    std::map<Method, std::size_t> routes;

    /// The node of the path, or null; fills the parameters. Nodes without routes do not count, so
    /// that a longer literal path cannot hide a parameter.
    const Node* find(
        const std::vector<std::string>& segments, std::size_t at, std::vector<std::string>& found
    ) const {
        if (at == segments.size()) {
            return routes.empty() ? nullptr : this;
        }
        if (const auto literal = literals.find(segments[at]); literal != literals.end()) {
            if (const auto* const node = literal->second->find(segments, at + 1, found)) {
                return node;
            }
        }
        if (parameter == nullptr || segments[at].empty()) {
            return nullptr;
        }
        found.push_back(segments[at]);
        if (const auto* const node = parameter->find(segments, at + 1, found)) {
            return node;
        }
        found.pop_back();
        return nullptr;
    }
};

Router::Router() : root_(std::make_unique<Node>()) {}

Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

void Router::add(Method method, std::string_view pattern, std::size_t id) {
    auto* node = root_.get();
    for (const auto& segment : path_segments(pattern)) {
        const bool is_parameter = segment.starts_with('{') && segment.ends_with('}');
        auto& child = is_parameter ? node->parameter : node->literals[segment];
        if (child == nullptr) {
            child = std::make_unique<Node>();
        }
        node = child.get();
    }
    const bool inserted = node->routes.emplace(method, id).second;
    BATON_CHECK(inserted, "two routes of the same shape and method");
}

Router::Match Router::match(Method method, const std::vector<std::string>& segments) const {
    Match match;
    const auto* const node = root_->find(segments, 0, match.parameters);
    if (node == nullptr) {
        return match;
    }
    const auto wanted = method == Method::head ? Method::get : method;
    if (const auto route = node->routes.find(wanted); route != node->routes.end()) {
        match.kind = Match::Kind::found;
        match.id = route->second;
        return match;
    }
    match.kind = Match::Kind::other_method;
    for (const auto& [allowed, id] : node->routes) {
        match.allowed.push_back(allowed);
    }
    return match;
}

}  // namespace baton::http

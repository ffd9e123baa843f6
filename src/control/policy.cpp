// SPDX-License-Identifier: Apache-2.0
#include "engine_impl.hpp"

namespace baton::control {

std::string_view to_string(Decision::Kind kind) {
    switch (kind) {
        case Decision::Kind::taken:
            return "taken";
        case Decision::Kind::refused:
            return "refused";
        case Decision::Kind::blocked:
            return "blocked";
        case Decision::Kind::waiting:
            return "waiting";
        case Decision::Kind::shadowed:
            return "shadowed";
        case Decision::Kind::cleared:
            return "cleared";
        case Decision::Kind::role:
            return "role";
        case Decision::Kind::policy:
            return "policy";
    }
    return "unknown";
}

Task<Result<std::uint64_t>> Engine::set_policy(
    std::string /*document*/,
    std::uint64_t /*expected*/,
    std::string /*comment*/,
    std::string /*by*/
) {
    co_return fail(Errc::unavailable, "the policy cannot be set yet");
}

Task<Result<std::uint64_t>> Engine::roll_back_policy(
    std::uint64_t /*to*/, std::uint64_t /*expected*/, std::string /*comment*/, std::string /*by*/
) {
    co_return fail(Errc::unavailable, "the policy cannot be set yet");
}

Task<Result<std::vector<PolicyTrial>>> Engine::try_policy(std::string /*document*/) {
    co_return fail(Errc::unavailable, "the policy cannot be tried yet");
}

}  // namespace baton::control

// SPDX-License-Identifier: Apache-2.0
#include "baton/topology/instance.hpp"

namespace baton::topology {

std::string_view to_string(Flavor flavor) {
    switch (flavor) {
        case Flavor::unknown:
            return "unknown";
        case Flavor::mysql:
            return "mysql";
        case Flavor::percona:
            return "percona";
        case Flavor::mariadb:
            return "mariadb";
    }
    return "unknown";
}

std::string_view to_string(PromotionRule rule) {
    switch (rule) {
        case PromotionRule::must:
            return "must";
        case PromotionRule::prefer:
            return "prefer";
        case PromotionRule::neutral:
            return "neutral";
        case PromotionRule::prefer_not:
            return "prefer_not";
        case PromotionRule::must_not:
            return "must_not";
    }
    return "neutral";
}

std::optional<PromotionRule> parse_promotion_rule(std::string_view text) {
    for (const auto rule :
         {PromotionRule::must,
          PromotionRule::prefer,
          PromotionRule::neutral,
          PromotionRule::prefer_not,
          PromotionRule::must_not}) {
        if (text == to_string(rule)) {
            return rule;
        }
    }
    return std::nullopt;
}

std::string_view to_string(ProbeFailure failure) {
    switch (failure) {
        case ProbeFailure::none:
            return "none";
        case ProbeFailure::refused:
            return "refused";
        case ProbeFailure::reset:
            return "reset";
        case ProbeFailure::timeout:
            return "timeout";
        case ProbeFailure::unresolved:
            return "unresolved";
        case ProbeFailure::access_denied:
            return "access_denied";
        case ProbeFailure::too_many_connections:
            return "too_many_connections";
        case ProbeFailure::error:
            return "error";
        case ProbeFailure::hangs:
            return "hangs";
    }
    return "error";
}

std::string_view to_string(ThreadState state) {
    switch (state) {
        case ThreadState::none:
            return "none";
        case ThreadState::stopped:
            return "stopped";
        case ThreadState::running:
            return "running";
        case ThreadState::connecting:
            return "connecting";
    }
    return "none";
}

std::string_view to_string(Kept kept) {
    switch (kept) {
        case Kept::unknown:
            return "unknown";
        case Kept::yes:
            return "yes";
        case Kept::at_run_time_only:
            return "at_run_time_only";
    }
    return "unknown";
}

std::string_view to_string(ReplicationAccount account) {
    switch (account) {
        case ReplicationAccount::unknown:
            return "unknown";
        case ReplicationAccount::absent:
            return "absent";
        case ReplicationAccount::without_privilege:
            return "without_privilege";
        case ReplicationAccount::good:
            return "good";
    }
    return "unknown";
}

}  // namespace baton::topology

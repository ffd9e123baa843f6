// SPDX-License-Identifier: Apache-2.0
#include "baton/election/policy.hpp"

#include "mutants.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace baton::election {
namespace {

using std::chrono::milliseconds;

Result<void> check(
    std::string_view name, milliseconds value, milliseconds least, milliseconds most
) {
    if (value >= least && value <= most) {
        return {};
    }
    return fail(
        Errc::invalid_argument,
        fmt::format(
            "lease {} is {} ms; it must be between {} and {} ms",
            name,
            value.count(),
            least.count(),
            most.count()
        )
    );
}

Span scaled(milliseconds duration, double factor) {
    return std::chrono::duration_cast<Span>(
        std::chrono::duration<double, std::milli>(static_cast<double>(duration.count()) * factor)
    );
}

}  // namespace

LeasePolicy LeasePolicy::of_duration(milliseconds duration) {
    LeasePolicy policy;
    policy.duration = duration;
    policy.renew_every = duration / 6;
    policy.look_every = duration / 12;
    policy.statement_timeout = duration / 3;
    policy.margin = std::max(milliseconds{50}, duration / 30);
    policy.jitter = std::min(milliseconds{50}, duration / 30);
    return policy;
}

Result<void> validate(const LeasePolicy& policy) {
    const auto d = policy.duration;
    const Result<void> checks[] = {
        check("duration", d, shortest_duration, longest_duration),
        check("renew_every", policy.renew_every, milliseconds{10}, d / 4),
        check("look_every", policy.look_every, milliseconds{10}, d / 4),
        check("statement_timeout", policy.statement_timeout, policy.renew_every, d / 2),
        check("margin", policy.margin, milliseconds{10}, d / 4),
        check("jitter", policy.jitter, milliseconds{0}, d / 4),
    };
    for (const auto& result : checks) {
        if (!result) {
            return result;
        }
    }
    if (!(policy.clock_rate_bound >= 0.001 && policy.clock_rate_bound <= 0.1)) {
        return fail(
            Errc::invalid_argument,
            fmt::format(
                "lease clock_rate_bound is {}; it must be between 0.001 and 0.1",
                policy.clock_rate_bound
            )
        );
    }
    return {};
}

Span holder_span(const LeasePolicy& policy, milliseconds duration) {
    if (mutated(Mutant::no_rate_bound)) {
        return duration;
    }
    return scaled(duration, 1.0 - policy.clock_rate_bound) - policy.margin;
}

Span challenger_span(const LeasePolicy& policy, milliseconds duration) {
    const auto d = std::max(duration, shortest_duration);
    if (mutated(Mutant::no_rate_bound)) {
        return d;
    }
    return scaled(d, 1.0 + policy.clock_rate_bound);
}

}  // namespace baton::election

// SPDX-License-Identifier: Apache-2.0
#include "baton/election/policy.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

namespace baton::election {
namespace {

using namespace std::chrono_literals;

TEST(LeasePolicy, IsValidByDefaultAndForEveryDuration) {
    EXPECT_TRUE(validate(LeasePolicy{}));
    for (auto duration = shortest_duration; duration <= longest_duration; duration += 10ms) {
        const auto result = validate(LeasePolicy::of_duration(duration));
        ASSERT_TRUE(result) << duration.count() << ": " << result.error().what;
    }
}

struct Bad {
    const char* setting;
    std::function<void(LeasePolicy&)> make;
};

TEST(LeasePolicy, NamesTheSettingThatIsOutOfBounds) {
    const std::vector<Bad> table{
        {"duration", [](LeasePolicy& p) { p.duration = 999ms; }},
        {"duration", [](LeasePolicy& p) { p.duration = 60001ms; }},
        {"renew_every", [](LeasePolicy& p) { p.renew_every = 751ms; }},
        {"renew_every", [](LeasePolicy& p) { p.renew_every = 9ms; }},
        {"look_every", [](LeasePolicy& p) { p.look_every = 751ms; }},
        {"look_every", [](LeasePolicy& p) { p.look_every = -1ms; }},
        {"statement_timeout", [](LeasePolicy& p) { p.statement_timeout = 499ms; }},
        {"statement_timeout", [](LeasePolicy& p) { p.statement_timeout = 1501ms; }},
        {"margin", [](LeasePolicy& p) { p.margin = 9ms; }},
        {"margin", [](LeasePolicy& p) { p.margin = 751ms; }},
        {"jitter", [](LeasePolicy& p) { p.jitter = -1ms; }},
        {"jitter", [](LeasePolicy& p) { p.jitter = 751ms; }},
        {"clock_rate_bound", [](LeasePolicy& p) { p.clock_rate_bound = 0.0; }},
        {"clock_rate_bound", [](LeasePolicy& p) { p.clock_rate_bound = 0.11; }},
        {"clock_rate_bound", [](LeasePolicy& p) { p.clock_rate_bound = std::nan(""); }},
    };
    for (const auto& bad : table) {
        LeasePolicy policy;
        bad.make(policy);

        const auto result = validate(policy);

        ASSERT_FALSE(result) << bad.setting;
        EXPECT_EQ(result.error().code, Errc::invalid_argument);
        EXPECT_NE(result.error().what.find(bad.setting), std::string::npos) << result.error().what;
    }
}

TEST(LeasePolicy, KeepsHolderAndChallengerApartAtTheWorstClocks) {
    for (const double bound : {0.001, 0.01, 0.1}) {
        for (auto duration = shortest_duration; duration <= longest_duration; duration += 500ms) {
            auto policy = LeasePolicy::of_duration(duration);
            policy.clock_rate_bound = bound;
            // In true time: the holder's clock is slow, the challenger's is fast.
            const auto holder =
                static_cast<double>(holder_span(policy, duration).count()) / (1.0 - bound);
            const auto challenger =
                static_cast<double>(challenger_span(policy, duration).count()) / (1.0 + bound);

            EXPECT_LT(holder, challenger) << duration.count() << " ms, " << bound;
        }
    }
}

}  // namespace
}  // namespace baton::election

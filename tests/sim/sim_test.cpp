// SPDX-License-Identifier: Apache-2.0
// The lease under simulated faults. BATON_SIM_SEEDS sets the number of seeds (2000), BATON_SIM_FROM
// the first one (1). A failure prints its events; `baton_sim --seed N` shows them again.

#include "sim/mutant_list.hpp"
#include "sim/world.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <string>

namespace baton::sim {
namespace {

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): no other thread
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string story(std::uint64_t seed, election::Mutant mutant) {
    std::string out;
    for (const auto& line : run_seed(seed, mutant, true).trace) {
        out += line + "\n";
    }
    return out;
}

TEST(LeaseSimulation, KeepsItsPromisesUnderFaults) {
    const auto count = setting("BATON_SIM_SEEDS", 2000);
    const auto from = setting("BATON_SIM_FROM", 1);
    Statistics sum;

    for (auto seed = from; seed < from + count; ++seed) {
        const auto outcome = run_seed(seed, election::Mutant::none, false);
        ASSERT_EQ(outcome.violation, "") << "seed " << seed << "\n"
                                         << story(seed, election::Mutant::none);
        sum.add(outcome.statistics);
    }

    if (count < 500) {
        return;  // too few to ask that everything occurs
    }
    // A simulation that never gets into trouble proves nothing.
    EXPECT_GT(sum.epochs, 2 * count);
    EXPECT_GT(sum.late_grabs, 0U);
    EXPECT_GT(sum.lapses, 0U);
    EXPECT_GT(sum.revivals, 0U);
    EXPECT_GT(sum.releases, 0U);
    EXPECT_GT(sum.releases_skipped, 0U);
    EXPECT_GT(sum.regressions, 0U);
    EXPECT_GT(sum.lost_versions, 0U);
    EXPECT_GT(sum.fenced_writes, 0U);
    EXPECT_GT(sum.fenced_off, 0U);
    EXPECT_GT(sum.unclear_outcomes, 0U);
    EXPECT_GT(sum.conflicts, 0U);
    EXPECT_GT(sum.freezes, 0U);
}

TEST(LeaseSimulation, RepeatsARunFromItsSeed) {
    const auto first = run_seed(42, election::Mutant::none, true);
    const auto again = run_seed(42, election::Mutant::none, true);
    const auto untraced = run_seed(42, election::Mutant::none, false);

    EXPECT_EQ(first.trace, again.trace);
    EXPECT_EQ(first.statistics.events, untraced.statistics.events);
}

class LeaseMutant : public testing::TestWithParam<NamedMutant> {};

TEST_P(LeaseMutant, IsFound) {
    constexpr std::uint64_t most = 20000;
    std::uint64_t seed = 1;
    std::string violation;
    for (; violation.empty() && seed <= most; ++seed) {
        violation = run_seed(seed, GetParam().mutant, false).violation;
    }

    ASSERT_NE(violation, "") << "the simulation does not notice it in " << most << " seeds";
    std::cout << "seed " << seed - 1 << ": " << violation << "\n";
}

std::string name_of(const testing::TestParamInfo<NamedMutant>& parameter) {
    return std::string(parameter.param.name);
}

INSTANTIATE_TEST_SUITE_P(Every, LeaseMutant, testing::ValuesIn(mutants), name_of);

}  // namespace
}  // namespace baton::sim

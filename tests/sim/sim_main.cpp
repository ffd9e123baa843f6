// SPDX-License-Identifier: Apache-2.0
// baton_sim: runs seeds of the lease simulation by hand.
//   baton_sim --seed N [--mutant NAME]              one seed with its trace
//   baton_sim --seeds COUNT [--from N] [--mutant NAME]  many, until one fails

#include "sim/mutant_list.hpp"
#include "sim/world.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace {

using namespace baton;

struct Options {
    std::optional<std::uint64_t> seed;
    std::uint64_t from = 1;
    std::uint64_t count = 2000;
    election::Mutant mutant = election::Mutant::none;
};

constexpr const char* usage =
    "usage: baton_sim --seed N | --seeds COUNT [--from N]  [--mutant NAME]\n";

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

std::optional<Options> parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const std::string_view value = argv[i + 1];
        const auto as_number = number(value);
        if (name == "--mutant") {
            bool known = false;
            for (const auto& mutant : sim::mutants) {
                if (mutant.name == value) {
                    options.mutant = mutant.mutant;
                    known = true;
                }
            }
            if (!known) {
                return std::nullopt;
            }
        } else if (!as_number) {
            return std::nullopt;
        } else if (name == "--seed") {
            options.seed = *as_number;
        } else if (name == "--seeds") {
            options.count = *as_number;
        } else if (name == "--from") {
            options.from = *as_number;
        } else {
            return std::nullopt;
        }
    }
    return argc % 2 == 1 ? std::optional(options) : std::nullopt;
}

int show(std::uint64_t seed, election::Mutant mutant) {
    const auto outcome = sim::run_seed(seed, mutant, true);
    for (const auto& line : outcome.trace) {
        fmt::print("{}\n", line);
    }
    fmt::print(
        "seed {}: {}\n", seed, outcome.violation.empty() ? "all rules held" : outcome.violation
    );
    return outcome.violation.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const auto options = parse(argc, argv);
    if (!options) {
        fmt::print(stderr, "{}", usage);
        return 2;
    }
    if (options->seed) {
        return show(*options->seed, options->mutant);
    }
    sim::Statistics sum;
    for (std::uint64_t seed = options->from; seed < options->from + options->count; ++seed) {
        const auto outcome = sim::run_seed(seed, options->mutant, false);
        sum.add(outcome.statistics);
        if (!outcome.violation.empty()) {
            return show(seed, options->mutant);
        }
    }
    fmt::print(
        "{} seeds, {} events: {} epochs, {} late grabs, {} lapses, {} revivals, {} releases, {} "
        "skipped, "
        "{} regressions, {} lost versions, {} fenced writes, {} fenced off, {} unclear, {} "
        "conflicts, {} "
        "freezes; slowest recovery {} ms\n",
        options->count,
        sum.events,
        sum.epochs,
        sum.late_grabs,
        sum.lapses,
        sum.revivals,
        sum.releases,
        sum.releases_skipped,
        sum.regressions,
        sum.lost_versions,
        sum.fenced_writes,
        sum.fenced_off,
        sum.unclear_outcomes,
        sum.conflicts,
        sum.freezes,
        sum.slowest_recovery / sim::ms
    );
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Whether this node could do the work of the active node, looked at before it has to: do the
// servers let it in, can the hooks be run here. Standbys do it too; what they find is told to all
// nodes, so that it is seen wherever one looks.
#include "engine_impl.hpp"

#include "baton/base/log.hpp"
#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace baton::control {

namespace {

/// Soon after the start, when a standby has read the topology.
constexpr Duration first_check = 3s;
/// Servers tried each time; the next ones the next time.
constexpr std::size_t servers_at_a_time = 6;
/// Named in a warning; more would not tell more.
constexpr std::size_t names_limit = 3;
constexpr Duration report_limit = 2s;

std::string some_of(const std::vector<std::string>& names) {
    auto first = names;
    first.resize(std::min(names.size(), names_limit));
    const auto more = names.size() - first.size();
    return join(first, ", ") + (more == 0 ? "" : fmt::format(" and {} more", more));
}

}  // namespace

Task<void> Engine::Impl::self_check_loop() {
    co_await self_check_signal.wait(now() + std::min(first_check, settings.self_check));
    for (;;) {
        std::vector<std::string> found;
        co_await check_hooks(&found);
        co_await check_account(&found);
        co_await report(std::move(found));
        co_await self_check_signal.wait(now() + settings.self_check);
    }
}

Task<void> Engine::Impl::check_hooks(std::vector<std::string>* found) {
    // Copies: they may be reloaded meanwhile.
    auto all = std::map<std::string, std::set<std::string>>();
    const auto gather = [&](const auto& hooks_of) {
        for (const auto& [list, commands] : hooks_of) {
            all[list].insert(commands.begin(), commands.end());
        }
    };
    gather(settings.hooks);
    std::set<const policy::Effective*> seen;  // clusters with the same rules share one
    for (const auto& [cluster, effective] : *policies) {
        if (seen.insert(effective.get()).second) {
            gather(effective->hooks);
        }
    }
    const auto lists = std::move(all);
    for (const auto& [list, commands] : lists) {
        for (const auto& command : commands) {
            const auto why = co_await hooks.missing(command);
            if (!why.empty()) {
                found->push_back(fmt::format("the hook of {} cannot be run here: {}", list, why));
            }
        }
    }
}

/// The active node polls all servers, and need only look at what it knows. A standby tries some
/// that the active node reaches.
Task<void> Engine::Impl::check_account(std::vector<std::string>* found) {
    std::vector<std::string> refused;
    std::vector<std::string> absent;
    std::string error;
    std::size_t tried = 0;
    const auto note = [&](const InstanceId& id, topology::ProbeFailure failure, const auto& text) {
        ++tried;
        if (failure == topology::ProbeFailure::access_denied) {
            refused.push_back(id.text());
            error = text;
        } else if (topology::is_absence(failure)) {
            absent.push_back(id.text());
        }
    };
    if (active) {
        for (const auto& instance : topology->instances()) {
            if (instance->health.failure == topology::ProbeFailure::access_denied) {
                note(instance->id, instance->health.failure, instance->health.error);
            }
        }
    } else {
        std::vector<InstanceId> reachable;
        for (const auto& instance : topology->instances()) {
            if (instance->health.valid && !ignored(instance->id)) {
                reachable.push_back(instance->id);
            }
        }
        for (std::size_t i = 0; i < std::min(servers_at_a_time, reachable.size()); ++i) {
            const auto id = reachable[(self_check_next + i) % reachable.size()];
            const auto watch = servers.watch(id);
            const auto seen = co_await watch->probe(now() + settings.probe_timeout);
            watch->drop();
            note(id, seen.failure, seen.error);
        }
        if (refused.empty() && absent.empty()) {
            self_check_next += servers_at_a_time;  // else the same ones, until they are well
        }
    }
    if (!refused.empty()) {
        found->push_back(fmt::format(
            "the account of topology.user is refused by {}: {}", some_of(refused), error
        ));
    }
    if (!active && tried > 0 && absent.size() == tried) {
        found->push_back(fmt::format(
            "none of the servers that were tried can be reached from here: {}", some_of(absent)
        ));
    }
}

/// Begin and end of each condition to the log, the present ones to the other nodes.
Task<void> Engine::Impl::report(std::vector<std::string> found) {
    const auto before = self.load();
    const std::set<std::string> old(before->warnings.begin(), before->warnings.end());
    const std::set<std::string> fresh(found.begin(), found.end());
    for (const auto& warning : fresh) {
        if (!old.contains(warning)) {
            log::warning("this node could not do all of its work: {}", warning);
        }
    }
    for (const auto& warning : old) {
        if (!fresh.contains(warning)) {
            log::info("no longer so: {}", warning);
        }
    }
    auto report = std::make_shared<SelfReport>();
    report->warnings = found;
    report->config_fingerprint = settings.config_fingerprint.empty() ? identity.config_fingerprint
                                                                     : settings.config_fingerprint;
    self.store(report);
    const auto token = lease.status().token;
    const auto row = std::find_if(nodes.begin(), nodes.end(), [&](const auto& node) {
        return node.token == token;
    });
    const bool told = row != nodes.end() && row->warnings == report->warnings &&
                      row->config_fingerprint == report->config_fingerprint;
    if (told || row == nodes.end()) {
        co_return;  // without a row the backend is not reached yet; next time
    }
    const auto done = co_await store.report(
        token, report->config_fingerprint, report->warnings, now() + report_limit
    );
    if (!done) {
        log::debug("the other nodes are not told yet: {}", done.error().what);
    }
}

}  // namespace baton::control

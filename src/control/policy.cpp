// SPDX-License-Identifier: Apache-2.0
// The policy: which one holds, what it comes to for each cluster, and its change by an operator.
#include "engine_impl.hpp"

#include "baton/async/deadline.hpp"
#include "baton/base/log.hpp"
#include "baton/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace baton::control {

namespace {

constexpr Duration command_limit = 3s;
constexpr std::size_t changes_told = 200;  // clusters whose change is noted one by one
constexpr std::size_t comment_limit = 1000;
constexpr std::size_t clusters_at_a_time = 20;

using Policies = std::map<std::string, std::shared_ptr<const policy::Effective>>;

/// All of a policy of the analysis; one more setting there does not compile without being named.
auto parts_of(const analysis::Policy& policy) {
    const auto& [timeouts, lagging, witness, locked, exact, cut_off, replace_cut_off, hanging, pile_up, replace_hanging, read_only] =
        policy;
    return std::tie(
        timeouts,
        lagging,
        witness,
        locked,
        exact,
        cut_off,
        replace_cut_off,
        hanging,
        pile_up,
        replace_hanging,
        read_only
    );
}

bool concerns_analysis(const policy::Effective& effective, const policy::Effective& configured) {
    return parts_of(effective.analysis) != parts_of(configured.analysis);
}

/// Runs a command on the core's executor and resumes the caller on its own.
template <class T>
Task<Result<T>> on_core(asio::any_io_executor core, Task<Result<T>> command) {
    auto result = co_await asio::co_spawn(
        core, detail::boxed<Result<T>>(std::move(command)), asio::use_awaitable
    );
    co_return std::move(*result);
}

/// A single text is told without its quotes.
std::string plain(const std::string& json) {
    const bool one = json.size() >= 2 && json.front() == '"' &&
                     json.find('\\') == std::string::npos && json.find('"', 1) == json.size() - 1;
    return one ? json.substr(1, json.size() - 2) : json;
}

std::string difference_text(const policy::Difference& difference) {
    return fmt::format(
        "{}: {} -> {}{}",
        difference.key,
        plain(difference.before),
        plain(difference.after),
        difference.set_by.empty() ? "" : " by " + difference.set_by
    );
}

std::string version_text(const policy::Version& version, std::size_t rules) {
    if (version.cleared) {
        return fmt::format(
            "policy version {}: the configuration file's rules hold again", version.number
        );
    }
    return fmt::format(
        "policy version {}{}: {} rule{}",
        version.number,
        version.rolled_back_to == 0 ? "" : fmt::format(" (as version {})", version.rolled_back_to),
        rules,
        rules == 1 ? "" : "s"
    );
}

}  // namespace

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

policy::Effective Engine::Impl::base_policy() const {
    policy::Effective base;
    base.shadow = settings.shadow;
    base.analysis = settings.analysis;
    base.recovery = settings.recovery;
    base.advice = settings.advice;
    base.hook_limit = settings.hook_limit;
    base.hooks = settings.hooks;
    return base;
}

/// After a change of the configuration or of the stored document.
void Engine::Impl::renew_policy() {
    auto document = settings.policy;
    std::uint64_t number = 0;
    if (const auto stored = state.policy_version()) {
        number = stored->number;
        if (!stored->cleared) {
            auto parsed = policy::parse(stored->document);
            if (!parsed.good()) {
                // A newer version knows settings that this one does not; what it knows holds.
                log::error(
                    "version {} of the policy is not understood in full: {}",
                    number,
                    parsed.error().what
                );
            }
            document = std::move(parsed.document);
        }
    }
    resolver = policy::Resolver(base_policy(), std::move(document), number);
    policy_document = std::make_shared<const policy::Document>(resolver.document());
    policies = std::make_shared<const Policies>();
    refresh_policies();
}

/// After a change of the topology. Nothing is made anew unless a cluster came, went or was renamed.
void Engine::Impl::refresh_policies() {
    const auto& clusters = topology->clusters();
    bool same = policies->size() == clusters.size() + 1;  // "": of no cluster
    std::vector<std::shared_ptr<const policy::Effective>> all;
    all.reserve(clusters.size());
    for (const auto& cluster : clusters) {
        all.push_back(resolver.of(cluster.id, cluster.name, cluster.alias));
        if (same) {
            const auto known = policies->find(cluster.id);
            same = known != policies->end() && known->second == all.back();
        }
    }
    if (same) {
        return;
    }
    auto fresh = std::make_shared<Policies>();
    std::vector<std::string> ids;
    analysis_differs = false;
    for (std::size_t at = 0; at < clusters.size(); ++at) {
        analysis_differs = analysis_differs || concerns_analysis(*all[at], *resolver.base());
        ids.push_back(clusters[at].id);
        fresh->emplace(clusters[at].id, std::move(all[at]));
    }
    fresh->emplace("", resolver.base());
    policies = std::move(fresh);
    resolver.keep_only(ids);
}

const policy::Effective& Engine::Impl::policy_of(const std::string& cluster_id) const {
    const auto found = policies->find(cluster_id);
    return found == policies->end() ? *resolver.base() : *found->second;
}

std::shared_ptr<const policy::Effective> Engine::Impl::policy_of(const recovery::Record& record) {
    auto& kept = kept_policies[record.id];
    if (kept != nullptr) {
        return kept;
    }
    if (record.policy.empty()) {  // begun by a version without policies
        kept = std::make_shared<const policy::Effective>(policy_of(record.cluster_id));
        return kept;
    }
    auto base = base_policy();
    base.shadow = false;  // it was begun, so it was to act
    auto effective = policy::with_values(
        std::move(base),
        policy::values_from_text(record.policy),
        fmt::format("version {}", record.policy_version)
    );
    effective.version = record.policy_version;
    kept = std::make_shared<const policy::Effective>(std::move(effective));
    return kept;
}

/// Whether servers of the cluster may be changed at all.
Result<void> Engine::Impl::may_change(const std::string& cluster_id) const {
    if (settings.shadow) {
        return fail(
            Errc::refused,
            "this service runs with detection.mode: shadow and changes nothing; set it to active"
        );
    }
    const auto& policy = policy_of(cluster_id);
    if (policy.shadow) {
        const auto by = policy.set_by.find("mode");
        return fail(
            Errc::refused,
            fmt::format(
                "the policy's {} puts this cluster into shadow mode, so nothing of it is changed; "
                "set mode to active for it",
                by == policy.set_by.end() ? "rules" : by->second
            )
        );
    }
    return {};
}

std::vector<analysis::Finding> Engine::Impl::analyzed() const {
    if (!analysis_differs) {
        return analysis::analyze(*topology, settings.analysis);
    }
    const std::string* last_id = nullptr;
    const policy::Effective* last = nullptr;
    return analysis::analyze(
        *topology,
        [&](const std::string& cluster_id) -> const analysis::Policy& {
            if (last_id == nullptr || *last_id != cluster_id) {
                last_id = &cluster_id;
                last = &policy_of(cluster_id);
            }
            return last->analysis;
        }
    );
}

Task<Result<std::uint64_t>> Engine::Impl::set_policy(
    std::string document, std::uint64_t expected, std::string comment, std::string by
) {
    auto parsed = policy::parse(document);
    if (!parsed.good()) {
        co_return parsed.error();
    }
    policy::Version version;
    version.by = std::move(by);
    version.comment = clipped(comment, comment_limit);
    version.document = parsed.document.text();
    co_return co_await store_policy(std::move(version), expected);
}

Task<Result<std::uint64_t>> Engine::Impl::roll_back_policy(
    std::uint64_t to, std::uint64_t expected, std::string comment, std::string by
) {
    policy::Version version;
    version.by = std::move(by);
    version.comment = clipped(comment, comment_limit);
    if (to == 0) {
        version.cleared = true;
    } else {
        const auto known = state.policy_versions().find(to);
        if (known == state.policy_versions().end()) {
            co_return fail(
                Errc::not_found,
                fmt::format("there is no version {} of the policy; see its history", to)
            );
        }
        version.document = known->second->document;
        version.cleared = known->second->cleared;
        version.rolled_back_to = to;
    }
    co_return co_await store_policy(std::move(version), expected);
}

Task<Result<std::uint64_t>> Engine::Impl::store_policy(
    policy::Version version, std::uint64_t expected
) {
    if (auto lead_check = must_lead(); !lead_check) {
        co_return lead_check.error();
    }
    const auto present = resolver.version();
    if (present != expected) {
        co_return fail(
            Errc::conflict,
            fmt::format(
                "the policy was changed meanwhile: version {} holds, and the change was made from "
                "version {}. Look at the difference, then set it again from version {}",
                present,
                expected,
                present
            )
        );
    }
    if (policy_writing) {
        co_return fail(
            Errc::conflict, "the policy is being changed by somebody else this moment; look again"
        );
    }
    version.number = present + 1;
    version.at_ms = wall();
    State scratch;
    std::vector<ports::Document> documents{scratch.put(version)};
    policy_writing = true;
    auto written = co_await commit(std::move(documents), command_limit);
    policy_writing = false;
    if (!written) {
        co_return written.error().in("the policy was not stored");
    }
    const auto before = policies;
    static_cast<void>(state.put(version));
    renew_policy();
    auto text = version_text(version, resolver.document().rules.size());
    text += version.comment.empty() ? "" : " (" + version.comment + ")";
    audit("set-policy", {}, "", text, version.by);
    decide_policy(fmt::format("policy version {}", version.number), text, version.by, *before);
    take_over_recoveries();  // some may have been left alone in shadow mode
    publish();
    co_return version.number;
}

/// The change in the timeline, and what it comes to in that of each cluster it concerns.
void Engine::Impl::decide_policy(
    const std::string& rule,
    const std::string& headline,
    const std::string& by,
    const std::map<std::string, std::shared_ptr<const policy::Effective>>& before
) {
    // Clusters with the same rules share their values, so there are few pairs to compare.
    using Pair = std::pair<const policy::Effective*, const policy::Effective*>;
    std::map<Pair, std::vector<policy::Difference>> compared;
    std::size_t changed = 0;
    for (const auto& [id, after] : *policies) {
        const auto was = before.find(id);
        if (id.empty() || was == before.end() || was->second == after) {
            continue;
        }
        const Pair pair(was->second.get(), after.get());
        auto known = compared.find(pair);
        if (known == compared.end()) {
            known = compared.emplace(pair, policy::differences(*pair.first, *pair.second)).first;
        }
        const auto& differences = known->second;
        if (differences.empty() || ++changed > changes_told) {
            continue;
        }
        auto decision = decision_on(Decision::Kind::policy, id, InstanceId());
        decision.rule = rule;
        decision.text = fmt::format(
            "{} setting{} of the cluster changed",
            differences.size(),
            differences.size() == 1 ? "" : "s"
        );
        for (const auto& difference : differences) {
            decision.evidence.push_back(difference_text(difference));
        }
        decision.by = by;
        decide(std::move(decision));
    }
    auto decision = decision_on(Decision::Kind::policy, "", InstanceId());
    decision.rule = rule;
    decision.text = fmt::format(
        "{}; settings of {} cluster{} changed", headline, changed, changed == 1 ? "" : "s"
    );
    decision.by = by;
    decide(std::move(decision));
}

Task<Result<std::vector<PolicyTrial>>> Engine::Impl::try_policy(std::string document) {
    auto tried = settings.policy;
    if (!document.empty()) {
        auto parsed = policy::parse(document);
        if (!parsed.good()) {
            co_return parsed.error();
        }
        tried = std::move(parsed.document);
    }
    policy::Resolver trial(base_policy(), std::move(tried), resolver.version() + 1);
    const auto present = topology;
    const auto before = policies;
    std::vector<PolicyTrial> out;
    std::size_t since_pause = 0;
    for (const auto& cluster : present->clusters()) {
        const auto after = trial.of(cluster.id, cluster.name, cluster.alias);
        const auto was = before->find(cluster.id);
        if (was == before->end()) {
            continue;
        }
        auto differences = policy::differences(*was->second, *after);
        if (differences.empty()) {
            continue;
        }
        PolicyTrial& change = out.emplace_back();
        change.cluster_id = cluster.id;
        change.cluster_name = cluster.name;
        change.cluster_alias = cluster.alias;
        change.settings = std::move(differences);
        change.before = forecast_of(cluster, *present, *was->second);
        change.after = forecast_of(cluster, *present, *after);
        if (++since_pause == clusters_at_a_time) {
            since_pause = 0;
            co_await sleep_for(1ms);  // the loop has other things to do, too
        }
    }
    co_return out;
}

Task<Result<std::uint64_t>> Engine::set_policy(
    std::string document, std::uint64_t expected, std::string comment, std::string by
) {
    return on_core(
        impl_->core,
        impl_->set_policy(std::move(document), expected, std::move(comment), std::move(by))
    );
}

Task<Result<std::uint64_t>> Engine::roll_back_policy(
    std::uint64_t to, std::uint64_t expected, std::string comment, std::string by
) {
    return on_core(
        impl_->core, impl_->roll_back_policy(to, expected, std::move(comment), std::move(by))
    );
}

Task<Result<std::vector<PolicyTrial>>> Engine::try_policy(std::string document) {
    return on_core(impl_->core, impl_->try_policy(std::move(document)));
}

}  // namespace baton::control

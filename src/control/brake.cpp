// SPDX-License-Identifier: Apache-2.0
// The brake on correlated failures: notices that many servers vanished at once, asks the other
// nodes how they see them, and gives the lease back when the fault is this node's own. What to
// conclude is decided in module recovery.
#include "engine_impl.hpp"

#include "baton/base/log.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::control {

namespace {

/// Servers asked about at a time; more would not tell more.
constexpr std::size_t questions_limit = 24;
/// Beyond what the other node's own probe may take.
constexpr Duration answer_reserve = 1s;
/// An older answer is not taken for the present state.
constexpr Duration opinion_validity = 5s;
/// Long enough for two heartbeats of a node that could not be asked.
constexpr Duration heartbeat_pause = 1200ms;
/// Probes that other nodes or people wait for, at a time.
constexpr unsigned probes_limit = 64;

/// Counts one probe for as long as it lives.
class Running {
public:
    explicit Running(unsigned& count) : count_(count) { ++count_; }

    ~Running() { --count_; }

    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

private:
    unsigned& count_;
};

}  // namespace

/// Goes on and off with the losses. True while it is on.
bool Engine::Impl::brake_holds() {
    const auto& policy = settings.recovery.brake;
    const auto loss = recovery::recent_loss(*topology, policy, now());
    lost_lately = loss.servers;
    if (!loss.correlated && !brake.on) {
        return false;
    }
    if (!brake.on) {
        brake.on = true;
        brake.text = fmt::format(
            "{} vanished from this node's sight within {} s",
            loss.text(),
            std::chrono::duration_cast<std::chrono::seconds>(policy.window).count()
        );
        log::warning(
            "{}: nothing is recovered before the other nodes were asked about them", brake.text
        );
    }
    if (loss.correlated) {
        std::vector<InstanceId> all;
        std::set_union(
            brake.servers.begin(),
            brake.servers.end(),
            loss.servers.begin(),
            loss.servers.end(),
            std::back_inserter(all)
        );
        brake.servers = std::move(all);
        return true;
    }
    const auto lost = recovery::still_lost(*topology, brake.servers, 1).size();
    const bool over =
        brake.judgement.cause == recovery::Cause::servers || 2 * lost <= brake.servers.size();
    if (over && !brake.asking) {
        log::info(
            "{} of {} servers that had vanished are in sight: recoveries do not wait any more",
            brake.servers.size() - lost,
            brake.servers.size()
        );
        brake = Brake();
    }
    return brake.on;
}

/// Before anything is recovered: asks what is not known yet of what vanished, and leaves to others
/// what they see better.
void Engine::Impl::watch_losses(const std::vector<analysis::Finding>& present) {
    if (settings.shadow) {
        if (!brake.asking) {
            brake = Brake();  // nothing is recovered anyway
        }
        return;
    }
    if (!brake_holds() || brake.asking) {
        return;
    }
    if (should_leave()) {
        brake.asking = true;  // no more questions
        group->spawn("leaving", leave_to_others());
        return;
    }
    std::erase_if(brake.opinions, [](const auto& entry) {
        return now() - entry.second.first > opinion_validity;
    });
    std::vector<InstanceId> subjects;
    for (const auto& finding : present) {
        if (finding.actionable() && finding.recovery != analysis::RecoveryKind::contain_deposed &&
            !running.contains(finding.cluster_id) && !policy_of(finding.cluster_id).shadow) {
            subjects.push_back(finding.subject);
        }
    }
    const bool open = std::any_of(subjects.begin(), subjects.end(), [this](const auto& subject) {
        return !brake.opinions.contains(subject);
    });
    if (!open && brake.judgement.cause == recovery::Cause::servers) {
        return;
    }
    std::vector<InstanceId> lost;
    if (brake.opinions.empty()) {  // one server alone would not tell whose fault it is
        lost = recovery::still_lost(*topology, brake.servers, 1);
    }
    auto questions =
        recovery::to_ask(*topology, lost, subjects, opinions_in_force(), questions_limit);
    if (questions.empty()) {
        return;
    }
    brake.asking = true;
    group->spawn("second opinions", ask_others(std::move(questions)));
}

recovery::Opinions Engine::Impl::opinions_in_force() const {
    recovery::Opinions opinions;
    for (const auto& [server, answer] : brake.opinions) {
        opinions[server] = answer.second;
    }
    return opinions;
}

Task<void> Engine::Impl::ask_about(
    InstanceId server,
    std::vector<ports::NodeRow> others,
    Deadline deadline,
    std::vector<ports::Opinion>* answers
) {
    *answers = co_await peers.ask(std::move(others), std::move(server), deadline);
}

Task<void> Engine::Impl::ask_others(std::vector<InstanceId> questions) {
    const auto own = lease.status().token;
    std::vector<ports::NodeRow> others;
    std::copy_if(nodes.begin(), nodes.end(), std::back_inserter(others), [&](const auto& node) {
        return node.alive && node.token != own;
    });
    std::vector<std::vector<ports::Opinion>> answers(questions.size());
    if (!others.empty()) {
        log::info("asking {} other nodes to try {} servers", others.size(), questions.size());
        counters.second_opinions += questions.size();
        const auto deadline = now() + settings.probe_timeout + answer_reserve;
        co_await throw_if_cancelled();  // join() must be reached
        TaskGroup round(core);
        for (std::size_t at = 0; at < questions.size(); ++at) {
            round.spawn(
                "ask about " + questions[at].text(),
                ask_about(questions[at], others, deadline, &answers[at])
            );
        }
        co_await round.join();
    }
    const bool heard = std::any_of(answers.begin(), answers.end(), [](const auto& list) {
        return std::any_of(list.begin(), list.end(), [](const auto& opinion) {
            return opinion.kind != ports::Opinion::Kind::unheard;
        });
    });
    std::vector<std::string> beating;
    if (!heard && !others.empty() && may_leave()) {
        beating = co_await living_nodes(others);
    }
    const auto answered = now();
    for (std::size_t at = 0; at < questions.size(); ++at) {
        brake.opinions[questions[at]] = {answered, std::move(answers[at])};
    }
    brake.asking = false;
    auto judgement = recovery::judge(opinions_in_force(), beating);
    if (judgement != brake.judgement) {
        log::warning(
            "{}: {}; {}",
            brake.text,
            judgement.why,
            judgement.cause == recovery::Cause::own_network
                ? "so this node's own network is at fault, and it recovers nothing"
                : "so they are really gone, and recoveries go on"
        );
    }
    brake.judgement = std::move(judgement);
    publish_soon(true);
}

/// Which of the nodes move their heartbeat in the shared backend from now on.
Task<std::vector<std::string>> Engine::Impl::living_nodes(std::vector<ports::NodeRow> others) {
    std::vector<std::string> living;
    const auto before = co_await store.nodes(now() + 1s);  // what moves later moved after this
    const auto begun = now();
    co_await sleep_for(heartbeat_pause);
    const auto after = co_await store.nodes(now() + 1s);
    if (!before || !after) {
        co_return living;
    }
    const auto passed = now() - begun;
    for (const auto& node : *after) {
        const bool asked = std::any_of(others.begin(), others.end(), [&](const auto& other) {
            return other.token == node.token;
        });
        if (asked && node.alive && node.since_beat < passed) {
            living.push_back(node.name);
        }
    }
    co_return living;
}

bool Engine::Impl::may_leave() const {
    return brake_released == TimePoint{} ||
           now() - brake_released >= settings.recovery.brake.handover_pause;
}

/// Others see what this node does not, and it is no hiccup that has passed.
bool Engine::Impl::should_leave() const {
    if (brake.judgement.cause != recovery::Cause::own_network || brake.opinions.empty() ||
        !may_leave() || !running.empty()) {
        return false;
    }
    const auto lost = recovery::still_lost(
        *topology, brake.servers, settings.analysis.timeouts_before_unreachable
    );
    return 2 * lost.size() > brake.servers.size();
}

Task<void> Engine::Impl::leave_to_others() {
    brake_released = now();
    const auto why = fmt::format("{}; {}", brake.text, brake.judgement.why);
    log::warning("handing over to another node: {}", why);
    co_await give_back("", fmt::format("from {} to any other: {}", identity.name, why), "");
}

/// Servers are observed one after the other, so what vanished together is not noticed together.
/// When another server than the subject is lost too, all of them are looked at first; that takes
/// milliseconds unless some are silent. True when that is done, or need not be.
bool Engine::Impl::looked_around(const InstanceId& subject) {
    const bool alone = std::all_of(lost_lately.begin(), lost_lately.end(), [&](const auto& id) {
        return id == subject;
    });
    const auto* failed = topology->find(subject);
    if (alone || failed == nullptr || looked >= failed->health.first_failure) {
        return true;
    }
    if (!looking) {
        looking = true;
        group->spawn("look around", look_around());
    }
    return false;
}

Task<void> Engine::Impl::look_around() {
    const auto begun = now();
    const auto end = begun + 2 * settings.probe_timeout;
    std::vector<std::shared_ptr<Slot>> asked;
    for (const auto& [id, slot] : slots) {
        const auto* known = topology->find(id);
        const bool long_gone = known != nullptr && known->health.checked && !known->health.valid &&
                               begun - known->health.first_failure > settings.recovery.brake.window;
        if (!long_gone && !slot->witness_running) {
            asked.push_back(slot);
            slot->watch->wake();
        }
    }
    for (const auto& slot : asked) {
        while (!slot->removed && slot->last_started < begun && now() < end) {
            const auto observed = slot->observed;
            co_await observed->wait(end);
        }
    }
    looked = begun;
    looking = false;
    publish_soon(true);
}

/// Why a recovery must wait although it could begin.
std::optional<recovery::Refusal> Engine::Impl::braked(const analysis::Finding& finding) const {
    if (!brake.on || finding.recovery == analysis::RecoveryKind::contain_deposed) {
        return std::nullopt;
    }
    const auto asked = brake.opinions.find(finding.subject);
    recovery::Refusal refusal;
    refusal.kind = recovery::Refusal::Kind::seen_by_others;
    if (brake.judgement.cause == recovery::Cause::own_network) {
        refusal.reason = fmt::format(
            "{}; {}: this node's own network is at fault. Mend it, hand over to another node, or "
            "order a recovery",
            brake.text,
            brake.judgement.why
        );
        return refusal;
    }
    if (asked == brake.opinions.end() || brake.judgement.cause == recovery::Cause::undecided) {
        refusal.kind = recovery::Refusal::Kind::second_opinion;
        refusal.reason = fmt::format(
            "{}: the other nodes are asked about {} first, which takes a moment. An ordered "
            "recovery does not wait",
            brake.text,
            finding.subject.text()
        );
        return refusal;
    }
    if (const auto* witness = recovery::reached_by(asked->second.second)) {
        refusal.reason = fmt::format(
            "{}, but node {} reaches {}, so it lives. Mend the network between them, or order a "
            "recovery",
            brake.text,
            witness->node,
            finding.subject.text()
        );
        return refusal;
    }
    return std::nullopt;
}

std::vector<std::string> Engine::Impl::brake_evidence(const InstanceId& subject) const {
    std::vector<std::string> evidence;
    const auto asked = brake.opinions.find(subject);
    if (!brake.on || asked == brake.opinions.end()) {
        return evidence;
    }
    evidence.push_back(brake.text);
    for (auto& sentence : recovery::testimony(subject, asked->second.second)) {
        evidence.push_back(std::move(sentence));
    }
    return evidence;
}

/// For another node or a person: how this one sees a server, on a connection of its own.
Task<Result<topology::Observation>> Engine::Impl::probe(InstanceId id) {
    if (topology->find(id) == nullptr) {
        co_return fail(
            Errc::not_found, fmt::format("{} is not known; only known servers are tried", id.text())
        );
    }
    if (ignored(id)) {
        co_return fail(Errc::refused, fmt::format("discovery.ignore_hosts names {}", id.text()));
    }
    if (probing >= probes_limit) {
        co_return fail(
            Errc::unavailable, fmt::format("{} servers are being tried already", probing)
        );
    }
    const Running counted(probing);
    const auto watch = servers.watch(id);
    auto seen = co_await watch->probe(now() + settings.probe_timeout);
    watch->drop();
    co_return seen;
}

}  // namespace baton::control

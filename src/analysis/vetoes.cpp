// SPDX-License-Identifier: Apache-2.0
#include "vetoes.hpp"

#include "sick.hpp"
#include "verdict.hpp"
#include "words.hpp"

#include "baton/gtid/gtid_set.hpp"

#include <algorithm>

namespace baton::analysis {
namespace {

using Vetoes = std::vector<std::string>;

std::string text(std::string_view sentence) {
    return std::string(sentence);
}

std::string text(std::string_view left, const std::string& right) {
    return std::string(left) + right;
}

void veto_not_primary(const View& view, Vetoes& vetoes) {
    if (view.cluster == nullptr || view.cluster->primary.empty()) {
        vetoes.push_back(text(veto::no_primary));
    } else if (!view.is_cluster_primary()) {
        vetoes.push_back(text(veto::other_primary, view.cluster->primary.text()));
    }
}

void veto_dead_top(const View& view, Vetoes& vetoes) {
    if (view.deposed != nullptr) {
        vetoes.push_back(text(veto::replaced, view.deposed->successor.text() + " already"));
    } else {
        veto_not_primary(view, vetoes);
    }
}

void veto_dead(const View& view, Vetoes& vetoes) {
    if (view.deaf == 0) {  // V2
        vetoes.push_back(text(veto::nobody_tries));
    }
    if (const auto stopped = stopped_just_now(view); !stopped.empty()) {
        vetoes.push_back("the receiver of " + names(stopped) + text(veto::stopped_just_now));
    }
    if (!view.subject->ever_seen) {
        vetoes.push_back(text(veto::never_seen));
    }
}

/// The server that follows it and that it follows; null in a longer ring.
const Instance* partner_of(const View& view) {
    const auto found =
        std::find_if(view.replicas.begin(), view.replicas.end(), [&](const Instance* replica) {
            return replica->id == view.subject->source();
        });
    return found == view.replicas.end() ? nullptr : *found;
}

/// The active one of two co-primaries is dead: the other takes over, or goes on alone when it was
/// writable too. The passive one is dead: its replicas follow the other.
RecoveryKind recovery_of_co_primary(const View& view, Vetoes& vetoes) {
    veto_dead(view, vetoes);
    const auto* partner = partner_of(view);
    if (partner == nullptr) {
        vetoes.push_back(text(veto::ring));
        return RecoveryKind::none;
    }
    const bool partner_leads = view.cluster != nullptr && view.cluster->primary == partner->id;
    const bool active = view.is_cluster_primary() || !view.subject->state.read_only;
    if (view.deposed != nullptr || !partner_leads) {
        veto_dead_top(view, vetoes);
    } else if (!active && view.replicas.size() < 2) {
        veto_not_primary(view, vetoes);  // nobody but the other follows it
    }
    return active ? RecoveryKind::dead_primary : RecoveryKind::dead_intermediate;
}

/// The source answers us, and none of its replicas can connect to it: moved away from it only when
/// each was made to reconnect and could not.
void veto_unreached(const View& view, Vetoes& vetoes) {
    if (!view.reach.all_cut()) {
        vetoes.push_back(text(
            veto::have_to_try, view.reach.ask.empty() ? "some are not clear" : names(view.reach.ask)
        ));
    }
}

void veto_undecided(const View& view, Vetoes& vetoes) {
    if (const auto list = those(view, Testimony::hearing); !list.empty()) {
        vetoes.push_back(text(veto::heard, names(list)));
    }
    if (const auto list = those(view, Testimony::unknown); !list.empty()) {
        vetoes.push_back(text(veto::not_observed, names(list)));
    }
    if (const auto list = those(view, Testimony::silent); !list.empty()) {
        const bool ask =
            std::any_of(view.testified.begin(), view.testified.end(), [](const Testified& t) {
                return t.testimony == Testimony::silent && t.askable;
            });
        vetoes.push_back(
            names(list) + " may still be connected to it" +
            text(ask ? veto::has_to_reconnect : veto::cannot_reconnect)
        );
    }
}

/// Its extra transactions cannot be taken out of its data: only a copy of another server helps.
void veto_returned(const View& view, Vetoes& vetoes) {
    const std::string& classification = view.deposed->classification;
    if (classification == "clean") {
        return;
    }
    const std::string id = view.subject->id.text();
    vetoes.push_back(
        text(veto::cannot_follow, view.deposed->successor.text()) + " (" + classification +
        "). Save what it has in excess, then: `baton rejoin " + id +
        " --clone` copies another server onto it (MySQL 8.0.17 and newer), `baton rejoin " + id +
        " --hook` lets recovery.hooks.reclone do it, or forget it"
    );
}

bool has_gtids(const Instance& instance) {
    return instance.state.identity.flavor == topology::Flavor::mariadb ||
           instance.state.identity.gtid_mode == "ON";
}

/// Why replacing a living primary could lose what clients were told is safe; "" = it cannot.
std::string possible_loss(const View& view) {
    const auto& semi_sync = view.subject->state.semi_sync;
    if (semi_sync.source_enabled && semi_sync.source_status &&
        semi_sync.wait_for_replica_count > 0) {
        return {};  // whatever was acknowledged is on a replica
    }
    const auto own = gtid::GtidSet::parse(view.subject->state.executed_gtid_set);
    if (!has_gtids(*view.subject) || !own) {
        return text(veto::loss_unknown);
    }
    gtid::GtidSet received;
    for (const auto* replica : view.replicas) {
        if (!replica->reachable() || replica->channel() == nullptr) {
            continue;
        }
        const auto& channel = *replica->channel();
        for (const auto* set :
             {&replica->state.executed_gtid_set,
              &channel.retrieved_gtid_set,
              &channel.gtid_io_pos}) {
            if (const auto parsed = gtid::GtidSet::parse(*set)) {
                received = received.united(*parsed);
            }
        }
    }
    return gtid::missing_from(*own, received) == 0 ? std::string{} : text(veto::would_lose);
}

void veto_cut_off(const View& view, Vetoes& vetoes) {
    veto_not_primary(view, vetoes);
    if (!view.policy->replace_cut_off) {
        vetoes.push_back(text(veto::cut_off_report));
    } else if (const auto loss = possible_loss(view); !loss.empty()) {
        vetoes.push_back(
            loss +
            ", and it serves its clients. To help: mend the network between it and its replicas, "
            "or order a failover that accepts the loss"
        );
    }
}

void veto_hanging(const View& view, Code code, Vetoes& vetoes) {
    const char* const remedy = code == Code::primary_disk_full
                                   ? ". To help: free some space on its disk"
                                   : ". To help: look at its disk, and at its oldest sessions";
    veto_not_primary(view, vetoes);
    if (!view.policy->replace_hanging) {
        vetoes.push_back(text(veto::hanging_report, remedy));
    } else if (view.sight != Sight::living) {
        vetoes.push_back(text(veto::state_unseen, remedy));
    }
}

}  // namespace

std::vector<const Instance*> stopped_just_now(const View& view) {
    std::vector<const Instance*> out;
    for (const auto& testified : view.testified) {
        if (testified.stopped_just_now) {
            out.push_back(testified.replica);
        }
    }
    return out;
}

RecoveryKind recovery_of(const View& view, Code code, std::vector<std::string>& vetoes) {
    RecoveryKind kind = RecoveryKind::none;
    switch (code) {
        case Code::dead_co_primary:
        case Code::dead_co_primary_and_some_replicas:
            kind = recovery_of_co_primary(view, vetoes);
            break;
        case Code::dead_primary:
        case Code::dead_primary_and_some_replicas:
            kind = RecoveryKind::dead_primary;
            veto_dead(view, vetoes);
            veto_dead_top(view, vetoes);
            break;
        case Code::dead_intermediate:
        case Code::dead_intermediate_and_some_replicas:
        case Code::dead_intermediate_with_single_replica_failing_to_connect:
        case Code::dead_deposed_primary:
            kind = RecoveryKind::dead_intermediate;
            veto_dead(view, vetoes);
            break;
        case Code::primary_cut_off:
            kind = RecoveryKind::dead_primary;
            veto_cut_off(view, vetoes);
            break;
        case Code::primary_disk_full:
        case Code::primary_commits_hang:
            kind = RecoveryKind::dead_primary;
            veto_hanging(view, code, vetoes);
            break;
        case Code::primary_hangs:
            vetoes.push_back(text(veto::hangs));
            break;
        case Code::primary_out_of_connections:
            vetoes.push_back(text(veto::same_clients));
            break;
        case Code::primary_lock_pile_up:
            vetoes.push_back(text(veto::only_a_lock));
            break;
        case Code::deposed_primary_writable:
            return RecoveryKind::contain_deposed;
        case Code::deposed_primary_returned:
            veto_returned(view, vetoes);
            kind = RecoveryKind::rejoin;
            break;
        case Code::dead_primary_and_replicas:
        case Code::dead_intermediate_and_replicas:
            vetoes.push_back(text(veto::nobody_left));
            break;
        case Code::dead_intermediate_with_single_replica:
            veto_dead(view, vetoes);
            break;
        case Code::dead_group_member_with_replicas:
            kind = RecoveryKind::dead_intermediate;
            if (view.gone == view.counts.replicas) {
                vetoes.push_back(text(veto::nobody_left));
            } else {
                veto_dead(view, vetoes);
            }
            break;
        case Code::intermediate_replicas_failing_to_connect_or_dead:
            kind = RecoveryKind::dead_intermediate;
            veto_unreached(view, vetoes);
            break;
        case Code::locked_semi_sync_primary:
        case Code::primary_with_too_many_semi_sync_replicas:
            kind = RecoveryKind::repair_semi_sync;
            veto_not_primary(view, vetoes);
            break;
        case Code::no_writable_primary:
            kind = RecoveryKind::make_writable;
            veto_not_primary(view, vetoes);
            break;
        case Code::receiver_left_stopped:
            return RecoveryKind::restart_receiver;
        case Code::unreachable_primary:
        case Code::unreachable_primary_with_lagging_replicas:
        case Code::unreachable_co_primary:
        case Code::unreachable_intermediate:
        case Code::unreachable_intermediate_with_lagging_replicas:
            veto_undecided(view, vetoes);
            break;
        case Code::primary_refuses_us:
            vetoes.push_back(text(veto::answers));
            break;
        case Code::no_problem:
        case Code::dead_primary_without_replicas:
        case Code::single_primary_replica_not_replicating:
        case Code::single_primary_replica_dead:
        case Code::all_replicas_not_replicating:
        case Code::all_replicas_not_replicating_or_dead:
        case Code::intermediate_replicas_not_replicating:
        case Code::first_tier_replica_failing_to_connect:
        case Code::binlog_server_failing_to_connect:
        case Code::all_co_primary_replicas_not_replicating:
        case Code::locked_semi_sync_primary_hypothesis:
            break;
    }
    return vetoes.empty() ? kind : RecoveryKind::none;
}

}  // namespace baton::analysis

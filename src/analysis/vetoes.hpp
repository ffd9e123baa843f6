// SPDX-License-Identifier: Apache-2.0
#pragma once

// Why a finding is not acted upon, in words. Each sentence has a mark, a part that is always the
// same, by which the tests check that there is a scenario for each.

#include "view.hpp"

#include <array>
#include <string_view>

namespace baton::analysis {

namespace veto {

inline constexpr std::string_view replaced = "it was replaced by ";
inline constexpr std::string_view no_primary =
    "it is not clear which server is the primary of the cluster";
inline constexpr std::string_view other_primary = "the primary of the cluster is ";
inline constexpr std::string_view ring =
    "it is one of a ring of more than two servers, in which nobody can tell who shall go on";
inline constexpr std::string_view nobody_tries =
    "no replica tries to connect to it, so nobody but us can say that it is gone";
inline constexpr std::string_view stopped_just_now = " was stopped just now";
inline constexpr std::string_view never_seen = "it was never seen alive, so its role is not known";
inline constexpr std::string_view heard = "still heard by ";
inline constexpr std::string_view not_observed = "not observed since it failed: ";
inline constexpr std::string_view has_to_reconnect = "; it has to reconnect to know";
inline constexpr std::string_view cannot_reconnect =
    ", and cannot be made to reconnect because its applier does not run";
inline constexpr std::string_view nobody_left =
    "no replica answers either: there is nobody to go on with, and it may be our own network that "
    "is broken";
inline constexpr std::string_view have_to_try = "its replicas have to try to reconnect first: ";
inline constexpr std::string_view answers = "it answers, so it lives";
inline constexpr std::string_view cannot_follow = "it cannot simply follow ";
inline constexpr std::string_view cut_off_report =
    "detection.replace_cut_off is off, so it is not replaced. To help: mend the network between it "
    "and "
    "its replicas";
inline constexpr std::string_view loss_unknown =
    "without GTIDs it cannot be told whether its replicas have everything";
inline constexpr std::string_view would_lose =
    "it has transactions that none of its replicas has received";
inline constexpr std::string_view hanging_report =
    "detection.replace_hanging is off, so it is not replaced";
inline constexpr std::string_view state_unseen =
    "it does not show its state, so it could not be told whether it is read-only, which it has to "
    "be before another one is promoted";
inline constexpr std::string_view hangs =
    "it lives, and could be writable beside another primary. To help: look at its disk, and at "
    "what its sessions wait for";
inline constexpr std::string_view same_clients =
    "it lives, and another primary would be given the same clients. To help: raise "
    "max_connections, or end sessions";
inline constexpr std::string_view only_a_lock =
    "it lives, and only one session keeps the others waiting. To help: end the one that has the "
    "lock, most likely the oldest open transaction";

inline constexpr std::array all{
    replaced,     no_primary,       other_primary,    ring,
    nobody_tries, stopped_just_now, never_seen,       heard,
    not_observed, has_to_reconnect, cannot_reconnect, nobody_left,
    have_to_try,  answers,          cannot_follow,    cut_off_report,
    loss_unknown, would_lose,       hanging_report,   state_unseen,
    hangs,        same_clients,     only_a_lock,
};

}  // namespace veto

/// Replicas that may be in the middle of a witness test.
std::vector<const Instance*> stopped_just_now(const View& view);

}  // namespace baton::analysis
